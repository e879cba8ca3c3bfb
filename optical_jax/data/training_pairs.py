"""The sentence pairs of a run: its bitext, then the pairs made of it."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optical_jax.data.bitext import Bitext
from optical_jax.data.records import Record
from optical_jax.data.sources import Pair


@dataclass(frozen=True)
class TrainingPairs:
    """Training splits one behind the other; the first is that of the bitext."""

    parts: tuple[Bitext, ...]

    @property
    def report(self) -> dict[str, dict[str, int]]:
        """Source -> counts; of made pairs, none is held out."""
        return {
            name: counts | {"validation": counts.get("validation", 0)}
            for part in self.parts
            for name, counts in part.report.items()
        }

    def records(self) -> "Joined":
        """Return random access to the records of all parts."""
        return Joined([part.split("train") for part in self.parts])

    def pairs(self) -> list[Pair]:
        """Return the sentences of all parts."""
        return [pair for part in self.parts for pair in part.pairs("train")]

    def groups(self, weights: Mapping[str, float]) -> list[tuple[np.ndarray, float]]:
        """Return the positions of each source's records, and its weight."""
        groups, begin = [], 0
        for part in self.parts:
            groups += [
                (begin + indices, weights[name])
                for name, indices in part.origins("train").items()
            ]
            begin += len(part.split("train"))
        return groups


class Joined(Sequence[Record]):
    """Records of several splits, one behind the other."""

    def __init__(self, splits: Sequence[Any]):
        """Take splits as `Bitext.split` returns them."""
        self._splits = list(splits)
        self._ends = list(itertools.accumulate(map(len, self._splits)))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: Any) -> Any:
        """Return one record, or a list of them for a slice."""
        if isinstance(index, slice):
            return self.__getitems__(range(len(self))[index])
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Record]:
        """Return several records at once, which is faster than one by one."""
        places = np.array([range(len(self))[int(i)] for i in indices], np.int64)
        part = np.searchsorted(self._ends, places, side="right")
        found: list[Record] = [{}] * len(places)
        for k, split in enumerate(self._splits):
            chosen = np.flatnonzero(part == k)
            begin = self._ends[k] - len(split)
            rows = split.__getitems__((places[chosen] - begin).tolist())
            for place, row in zip(chosen, rows, strict=True):
                found[place] = row
        return found
