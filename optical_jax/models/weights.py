"""The safetensors files of an encoder folder, one tensor at a time.

Only safetensors are read: a `.bin` is a pickle, and unpickling a download runs its code.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from optical_jax.data import jsontext

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
# transformers' own limit for one file, in bytes.
SHARD_BYTES = 5_000_000_000
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4}


@dataclass(frozen=True)
class Entry:
    """One tensor of a file; dtype as safetensors spells it (F32, BF16)."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Size in the file."""
        return math.prod(self.shape) * _BYTES[self.dtype]


def entries(folder: Path) -> dict[str, Entry]:
    """Return what the folder's weights hold, without reading any.

    Raises:
        FileNotFoundError: if there are no safetensors, or one that the index names.
        ValueError: if a file is truncated or no safetensors.
    """
    return {entry.name: entry for path in files(folder) for entry in _listed(path)}


def read(entry: Entry, index: tuple[slice, ...] | None = None) -> np.ndarray:
    """Read a tensor or a part of it; only that part is in memory afterwards."""
    # Opened anew each time: pages of an open file that were read stay resident.
    with safetensors.safe_open(entry.file, framework="numpy") as file:
        if not entry.shape or index is None:
            return file.get_tensor(entry.name)
        return file.get_slice(entry.name)[index]


def write(
    folder: Path,
    sizes: Mapping[str, int],
    make: Callable[[str], np.ndarray],
    *,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write tensors as one file, or with an index as several where they are too large.

    Args:
        folder: an existing folder.
        sizes: bytes of each tensor, in the order of writing.
        make: name to tensor; those of one file are in memory together.
        shard_bytes: the largest file; a tensor larger than that has its own.
    """
    shards = _shards(sizes, shard_bytes)
    if len(shards) == 1:
        _save({name: make(name) for name in shards[0]}, folder / SINGLE)
        return
    placed = {}
    for i, names in enumerate(shards, start=1):
        file = f"model-{i:05d}-of-{len(shards):05d}.safetensors"
        _save({name: make(name) for name in names}, folder / file)
        placed |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": placed}
    text = json.dumps(index, indent=2) + "\n"
    (folder / INDEX).write_text(text, encoding="utf-8")


def read_file(path: Path) -> dict[str, np.ndarray]:
    """Read one small safetensors file whole.

    Raises:
        ValueError: if the file is truncated or not safetensors.
    """
    return {entry.name: read(entry) for entry in _listed(path)}


def of_file(path: Path) -> dict[str, Entry]:
    """Return what one safetensors file holds, by name, without reading any.

    Raises:
        ValueError: if the file is truncated or not safetensors.
    """
    return {entry.name: entry for entry in _listed(path)}


def files(folder: Path) -> list[Path]:
    """Return the files that hold the folder's weights.

    Raises:
        FileNotFoundError: if there are none, or one of several is missing.
    """
    single, index = folder / SINGLE, folder / INDEX
    if single.is_file():
        return [single]
    if index.is_file():
        # Names only: an index must not reach outside its folder.
        found = [folder / Path(name).name for name in _named(index)]
        lacking = [path.name for path in found if not path.is_file()]
        if lacking:
            raise FileNotFoundError(
                f"{index} names {', '.join(lacking)}, which {folder} lacks; copy the "
                "folder whole"
            )
        return found
    if list(folder.glob("*.bin")):
        raise FileNotFoundError(
            f"{folder} has its weights as .bin only, a pickle, which is never loaded; "
            "convert it to model.safetensors first (transformers: "
            "from_pretrained(...).save_pretrained(...) on a machine with torch)"
        )
    raise FileNotFoundError(f"{folder} has no model.safetensors")


def _named(index: Path) -> list[str]:
    """Return the files that an index names."""
    try:
        placed = jsontext.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return sorted({str(name) for name in placed.values()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{index} is no index of safetensors files ({error}); copy it again"
        ) from error


def _listed(path: Path) -> Iterator[Entry]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                part: Any = file.get_slice(name)
                dtype = part.get_dtype()
                if dtype not in _BYTES:
                    raise ValueError(
                        f"{path}: {name} has dtype {dtype}, which is not read; it must be "
                        f"one of {', '.join(_BYTES)}"
                    )
                yield Entry(path, name, tuple(part.get_shape()), dtype)
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{path} is truncated or no safetensors file ({error}); copy it again"
        ) from error


def _shards(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Cut the names, in order, into runs of at most `limit` bytes."""
    shards: list[list[str]] = [[]]
    room = limit
    for name, size in sizes.items():
        if shards[-1] and size > room:
            shards.append([])
            room = limit
        shards[-1].append(name)
        room -= size
    return shards


def _save(tensors: dict[str, np.ndarray], path: Path) -> None:
    # torch reads metadata {"format": "pt"}; transformers refuses files without it.
    safetensors.numpy.save_file(tensors, path, metadata={"format": "pt"})
