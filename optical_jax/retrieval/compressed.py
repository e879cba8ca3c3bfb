"""Vectors in fewer bytes than float16's: int8, or a centroid and a few bits a number (`residual`).

    int8            a byte a number, and the largest number of each vector: half of float16
    residual-2      2 bits a number and 4 bytes a vector: a seventh at width 128

What is read back is what is searched; how much of the ranking that keeps is for the user to
measure (`benchmarks.maxsim` prints it for made-up vectors, `convert --format plaid` for real ones).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int8

from optical_jax.retrieval import residual

Storage = Literal["int8", "residual-1", "residual-2", "residual-4"]
_LARGEST = 127
# Vectors converted at once.
_BLOCK = 1 << 15


def check(storage: str, width: int) -> None:
    """Refuse a storage that there is not, or that does not fit the vectors' width.

    Raises:
        ValueError: saying which it must be.
    """
    if storage not in get_args(Storage):
        raise ValueError(
            f"storage must be one of {', '.join(get_args(Storage))}, got {storage!r}"
        )
    if storage != "int8":
        residual.check(width, _bits(storage))


def write(
    vectors: Float[np.ndarray, "n d"], folder: Path, *, storage: Storage, seed: int = 0
) -> None:
    """Write vectors in a storage, as .npy files.

    Args:
        vectors: may lie in a memory-mapped file; a block is held at a time, and the sample
            that centroids are made of.
        folder: exists; the caller stages it.
        storage: how.
        seed: of the draws.

    Raises:
        ValueError: if there is no vector, or the storage does not fit their width.
    """
    check(storage, vectors.shape[1])
    if not len(vectors):
        raise ValueError("there must be vectors to compress, got none")
    if storage == "int8":
        codes = _empty(folder / "codes.npy", np.int8, vectors.shape)
        scales = np.empty(len(vectors), np.float32)
        for part in _blocks(len(vectors)):
            codes[part], scales[part] = quantized(np.asarray(vectors[part], np.float32))
        codes.flush()
        np.save(folder / "scales.npy", scales)
        return
    codec = residual.train(vectors, bits=_bits(storage), seed=seed)
    packed = vectors.shape[1] * codec.bits // 8
    residuals = _empty(folder / "residuals.npy", np.uint8, (len(vectors), packed))
    codes = np.empty(len(vectors), np.int32)
    for part in _blocks(len(vectors)):
        rows = np.asarray(vectors[part], np.float32)
        codes[part], residuals[part] = residual.compress(rows, codec)
    residuals.flush()
    np.save(folder / "codes.npy", codes)
    np.save(folder / "centroids.npy", codec.centroids)
    np.save(folder / "cutoffs.npy", codec.cutoffs)
    np.save(folder / "weights.npy", codec.weights)


def read(folder: Path) -> Float[np.ndarray, "n d"]:
    """Return the vectors that a folder holds, in float16.

    Raises:
        FileNotFoundError: if a file is missing.
    """
    array = lambda name: np.load(
        folder / f"{name}.npy", mmap_mode="r", allow_pickle=False
    )
    codes = array("codes")
    if codes.dtype == np.int8:
        scales = array("scales")
        out = np.empty(codes.shape, np.float16)
        for part in _blocks(len(codes)):
            out[part] = codes[part] * scales[part, None]
        return out
    # Average and threshold serve those who add vectors to an index; nothing here does.
    codec = residual.Codec(
        *map(array, ("centroids", "cutoffs", "weights")), np.zeros(0, np.float32), 0.0
    )
    residuals = array("residuals")
    out = np.empty((len(codes), codec.centroids.shape[1]), np.float16)
    for part in _blocks(len(codes)):
        out[part] = residual.decompress(codes[part], residuals[part], codec)
    return out


def quantized(
    rows: Float[np.ndarray, "n d"],
) -> tuple[Int8[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """Round vectors to 255 steps of their largest number; return the steps and their sizes."""
    scales = np.abs(rows).max(axis=1) / _LARGEST
    steps = np.rint(rows / np.where(scales > 0, scales, 1)[:, None])
    return steps.astype(np.int8), scales.astype(np.float32)


def bytes_of(folder: Path) -> int:
    """Return what the files of a folder take on disk."""
    return sum(file.stat().st_size for file in folder.iterdir())


def _bits(storage: str) -> int:
    return int(storage.removeprefix("residual-"))


def _empty(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def _blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, _BLOCK):
        yield slice(start, start + _BLOCK)
