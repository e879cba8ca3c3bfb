"""Files of a folder on disk, read and changed in place."""

import json
from collections.abc import Callable
from pathlib import Path

import safetensors.numpy


def read_json(path: Path) -> dict | list:
    return json.loads(path.read_text(encoding="utf-8"))


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(read_json(path) | fields), encoding="utf-8")


def edit_tensors(path: Path, change: Callable[[dict], dict]) -> None:
    safetensors.numpy.save_file(change(safetensors.numpy.load_file(path)), path)
