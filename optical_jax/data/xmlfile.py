"""Walk through a large XML file with little memory, refusing entity definitions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import defusedxml
from defusedxml import ElementTree

from optical_jax.data import textfile


def elements(path: Path, *, tag: str) -> Iterator[Any]:
    """Yield each complete element named `tag`, then forget it.

    Namespaces are dropped from the names of the element and of what is in it.

    Raises:
        ValueError: The file is not well-formed, or defines entities.
    """
    with textfile.open_binary(path) as file:
        parents: list[Any] = []
        try:
            for event, element in ElementTree.iterparse(file, events=("start", "end")):
                element.tag = local_name(element.tag)
                if event == "start":
                    parents.append(element)
                    continue
                parents.pop()
                if element.tag == tag:
                    yield element
                    # Otherwise the tree of the whole file stays in memory.
                    if parents:
                        parents[-1].remove(element)
        except ElementTree.ParseError as error:
            raise ValueError(
                f"{path} is not well-formed XML ({error}); it may be cut off: "
                "fetch it again"
            ) from error
        except defusedxml.DefusedXmlException as error:
            raise ValueError(
                f"{path} defines XML entities, which are refused because they can "
                f"expand without bound or read other files ({error})"
            ) from error


def local_name(tag: Any) -> str:
    """Return the name of a tag or an attribute without its namespace."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def text_of(element: Any, *, without: frozenset[str]) -> str:
    """Return the text in an element, but not what is in elements named in `without`."""
    parts = [element.text or ""]
    for child in element:
        if local_name(child.tag) not in without:
            parts.append(text_of(child, without=without))
        parts.append(child.tail or "")
    return "".join(parts)
