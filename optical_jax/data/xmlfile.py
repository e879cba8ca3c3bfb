"""Walk through a large XML file with little memory, refusing entity definitions."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import defusedxml
from defusedxml import ElementTree

from optical_jax.data import textfile

# Elements within elements, and bytes of one that is kept or of a text between two.
_DEEPEST = 200
_LARGEST = 1 << 26


class _Bounded:
    """A file of which at most _LARGEST bytes are read between two calls of `forget`."""

    def __init__(self, file: io.BufferedIOBase):
        self._file = file
        self._held = 0

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._held += len(content)
        if self._held > _LARGEST:
            raise ValueError(f"an element of more than {_LARGEST} bytes")
        return content

    def forget(self) -> None:
        self._held = 0


def elements(path: Path, *, tag: str) -> Iterator[Any]:
    """Yield each complete element named `tag`, then forget it.

    Namespaces are dropped from the names of the element and of what is in it.

    Raises:
        ValueError: The file is not well-formed, defines entities, or has an element
            larger or deeper than any of its kind is.
    """
    with textfile.open_binary(path) as file:
        try:
            yield from _walk(_Bounded(file), tag)
        except defusedxml.DefusedXmlException as error:
            raise ValueError(
                f"{path} defines XML entities, which are refused because they can "
                f"expand without bound or read other files ({error})"
            ) from error
        # An unknown encoding is a LookupError, one of several bytes a ValueError.
        except (
            *textfile.DAMAGED,
            ElementTree.ParseError,
            LookupError,
            ValueError,
        ) as error:
            raise ValueError(
                f"{path} is not well-formed XML ({error}); it may be cut off: "
                "fetch it again"
            ) from error


def _walk(file: _Bounded, tag: str) -> Iterator[Any]:
    parents: list[Any] = []
    for event, element in ElementTree.iterparse(file, events=("start", "end")):
        element.tag = local_name(element.tag)
        if event == "start":
            parents.append(element)
            if len(parents) > _DEEPEST:
                raise ValueError(f"more than {_DEEPEST} elements in each other")
            continue
        parents.pop()
        if element.tag == tag:
            yield element
        # Otherwise the tree of the whole file stays in memory.
        if parents and (
            element.tag == tag or all(parent.tag != tag for parent in parents)
        ):
            parents[-1].remove(element)
            file.forget()


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
