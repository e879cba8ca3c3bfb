"""Configs from presets, the command line and JSON.

`parse` reads a preset (`configs/*.py`, a file the user wrote and names) and lays
command-line overrides over it. `to_json` and `from_json` carry a resolved config to and
from `workdir/config.json`; reading one never executes anything.
"""

import argparse
import dataclasses
import difflib
import importlib.util
import json
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from optical_jax.config import Config
from optical_jax.data import jsontext


def load_preset(
    path: str | Path, *, getter: str = "get_config", kind: type = Config
) -> Any:  # noqa: ANN401
    """Run a preset file's get_config(); only for files that the user names as --config.

    Args:
        path: the file.
        getter: the function in it that is called.
        kind: what this must return.

    Raises:
        FileNotFoundError: if there is no such file; lists the presets beside it.
        ValueError: if it has no such function or this returns something else.
    """
    path = Path(path)
    if not path.is_file():
        near = sorted(str(p) for p in path.parent.glob("*.py") if p.stem != "__init__")
        raise FileNotFoundError(f"no config file {path}; there are: {near or 'none'}")
    spec = importlib.util.spec_from_file_location(f"_preset_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, getter):
        raise ValueError(f"{path} must define {getter}() -> {kind.__name__}")
    found = getattr(module, getter)()
    if not isinstance(found, kind):
        raise ValueError(
            f"{path}: {getter}() must return a {kind.__name__}, got "
            f"{type(found).__name__}"
        )
    return found


def parse(argv: Sequence[str] | None = None, *, prog: str) -> Config:
    """Read `--config FILE [--field.of.config value ...]`; exits with a message on a typo."""
    argv = list(sys.argv[1:] if argv is None else argv)
    head = argparse.ArgumentParser(prog=prog, add_help=False, allow_abbrev=False)
    head.add_argument("--config")
    known, rest = head.parse_known_args(argv)
    default = load_preset(known.config) if known.config else Config()
    return tyro.cli(
        Config,
        default=default,
        args=rest,
        prog=f"{prog} --config FILE",
        description="Every field of the config can be set; defaults are the preset's.",
        config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff),
    )


def to_json(config: Config) -> str:
    """Return the resolved config as indented JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(text: str) -> Config:
    """Build a config of `to_json`'s text; nothing in it is executed.

    Raises:
        ValueError: naming an unknown field and the nearest known one.
    """
    return _build(Config, jsontext.loads(text), "config")


def _build(kind: type, value: Any, where: str) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object, got {value!r:.60}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    for name in value:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{where} has no field {name!r}{hint}")
    return kind(**{n: convert(hints[n], v, f"{where}.{n}") for n, v in value.items()})


def convert(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401
    """Turn a value as JSON has it into one of a field's type; one of that type stays.

    Raises:
        ValueError: naming an unknown field and the nearest known one, or a field whose
            value is of another type.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return convert(next(k for k in args if k is not type(None)), value, where)
    if origin is tuple:
        items = [value] if isinstance(value, str) else value
        _require(isinstance(items, list | tuple), "a list", value, where)
        return tuple(convert(args[0], item, where) for item in items)
    if origin is typing.Literal:
        _require(value in args, " or ".join(map(repr, args)), value, where)
        return value
    if dataclasses.is_dataclass(hint) and not isinstance(value, hint):
        return _build(hint, value, where)
    if hint is float and type(value) is int:
        _require(abs(value) < 2**53, "a number below 2^53", value, where)
        return float(value)
    if hint in (int, float, bool, str):
        _require(type(value) is hint, f"of type {hint.__name__}", value, where)
    return value


def _require(holds: bool, rule: str, value: Any, where: str) -> None:  # noqa: ANN401
    if not holds:
        raise ValueError(f"{where} must be {rule}, got {value!r:.60}")
