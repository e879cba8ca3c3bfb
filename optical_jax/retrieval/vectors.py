"""Vectors of texts, in memory or in files: of several files, none is read but where asked."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optical_jax.retrieval.compressed import Packed

# Files that are mapped at once: a process may not hold many thousands open.
_OPEN = 32


class Rows:
    """Files of rows, one after the other; rows that are asked for are read from disk.

    Attributes:
        shape: [rows, ...], of all files together.
        dtype: of each of them.
    """

    def __init__(self, files: Sequence[Path], lengths: Sequence[int]):
        """Take at least one file, and the number of rows in each."""
        self._files = list(files)
        self._ends = np.cumsum(lengths)
        first = np.load(files[0], mmap_mode="r", allow_pickle=False)
        self.shape = (int(self._ends[-1]), *first.shape[1:])
        self.dtype = first.dtype
        self._file = functools.lru_cache(_OPEN)(self._map)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | np.ndarray | Sequence[int]) -> np.ndarray:
        """Return some rows: a view into the file if all of a slice are in one."""
        if not isinstance(key, slice):
            return self._at(np.asarray(key, np.int64))
        start, stop, step = key.indices(len(self))
        if step != 1:
            return self._at(np.arange(start, stop, step))
        parts = []
        while start < stop:
            i = int(np.searchsorted(self._ends, start, side="right"))
            first = self._first(i)
            end = min(stop, int(self._ends[i]))
            parts.append(self._file(i)[start - first : end - first])
            start = end
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([np.empty((0, *self.shape[1:]), self.dtype), *parts])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: ANN401
        return np.array(self[:], dtype, copy=copy)

    def _at(self, places: np.ndarray) -> np.ndarray:
        if len(places) and not 0 <= places.min() <= places.max() < len(self):
            raise IndexError(f"rows must be from 0 to {len(self) - 1}, got {places}")
        found = np.empty((len(places), *self.shape[1:]), self.dtype)
        files = np.searchsorted(self._ends, places, side="right")
        for i in np.unique(files).tolist():
            here = files == i
            found[here] = self._file(i)[places[here] - self._first(i)]
        return found

    def _first(self, i: int) -> int:
        return int(self._ends[i - 1]) if i else 0

    def _map(self, i: int) -> np.ndarray:
        return np.load(self._files[i], mmap_mode="r", allow_pickle=False)


def of_files(files: Sequence[Path], lengths: Sequence[int]) -> np.ndarray | Rows:
    """Return the rows of files, of that many rows each, as one array on disk."""
    if len(files) == 1:
        return np.load(files[0], mmap_mode="r", allow_pickle=False)
    return Rows(files, lengths)


@dataclass(frozen=True)
class TokenVectors:
    """The scored vectors of n texts, one text after the other.

    Attributes:
        vectors: [t, d], float32 or float16; in memory, in files, or compressed.
        offsets: [n + 1]; text i owns rows offsets[i] to offsets[i + 1].
        token_ids: [t]; -1 where a vector is of a whole text (single-vector heads).
    """

    vectors: np.ndarray | Rows | Packed
    offsets: np.ndarray
    token_ids: np.ndarray | Rows

    def __post_init__(self) -> None:
        """Check that the three arrays describe the same texts."""
        total = len(self.vectors)
        if len(self.token_ids) != total or self.offsets[-1] != total:
            raise ValueError(
                f"vectors, token_ids and the last offset must agree, got {total} "
                f"vectors, {len(self.token_ids)} token ids, offset {self.offsets[-1]}"
            )

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        """Return the vectors of text i."""
        return self.vectors[self.offsets[i] : self.offsets[i + 1]]

    def part(self, start: int, stop: int) -> "TokenVectors":
        """Return texts start to stop; nothing is copied that lies in one array as it is."""
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        return TokenVectors(
            self.vectors[first:last],
            self.offsets[start : stop + 1] - first,
            self.token_ids[first:last],
        )

    @property
    def lengths(self) -> np.ndarray:
        """Number of vectors of each text."""
        return np.diff(self.offsets)
