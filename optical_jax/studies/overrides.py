"""Override fields of a config tree by dotted path: {"objective.transport.epsilon": 0.1}."""

import dataclasses
import difflib
import json
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from optical_jax import config_io
from optical_jax.config import Config

Overrides = Mapping[str, Any]


def apply(config: Config, overrides: Overrides) -> Config:
    """Return the config with some fields replaced, all at once.

    Several fields that are valid together only are never checked one by one.

    Args:
        config: the config.
        overrides: dotted path of a field -> its value, as Python or as JSON has it (a list
            for a tuple, an object for a dataclass).

    Raises:
        ValueError: naming a path that leads to no field, or a value that is refused.
    """
    return _replace(config, _tree(overrides), "")


def parse(assignments: Sequence[str]) -> dict[str, Any]:
    """Read overrides from a command line, "path=value" each; values are JSON or text.

    Raises:
        ValueError: naming an assignment without "=".
    """
    found = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise ValueError(
                f"an override is path=value, like data.root=RAW, got {assignment!r}"
            )
        try:
            found[path] = json.loads(text)
        except json.JSONDecodeError:
            found[path] = text
    return found


def _tree(overrides: Overrides) -> dict[str, Any]:
    """Return {name: value or tree} of {"name.name": value}."""
    tree: dict[str, Any] = {}
    for path, value in overrides.items():
        *parents, name = path.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, _Node())
            if not isinstance(node, _Node):
                raise ValueError(f"override {path!r} is within another override")
        if name in node:
            raise ValueError(f"override {path!r} holds another override")
        node[name] = value
    return tree


class _Node(dict[str, Any]):
    """Overrides within a field; a plain dict is a value."""


def _replace(node: Any, tree: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401
    if not dataclasses.is_dataclass(node):
        raise ValueError(
            f"override {path}{next(iter(tree))!r}: {path.rstrip('.')} is {node!r}, which "
            "has no fields; override it as a whole"
        )
    hints = typing.get_type_hints(type(node))
    names = [field.name for field in dataclasses.fields(node)]
    changes = {}
    for name, value in tree.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {names}"
            raise ValueError(
                f"override {path + name!r} is no field of a config; {hint}"
            )
        if isinstance(value, _Node):
            changes[name] = _replace(getattr(node, name), value, f"{path}{name}.")
        else:
            changes[name] = config_io.convert(hints[name], value, path + name)
    try:
        return dataclasses.replace(node, **changes)
    except TypeError as error:
        raise ValueError(f"override {path}{'/'.join(changes)}: {error}") from error
