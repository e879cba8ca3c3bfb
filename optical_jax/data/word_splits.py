"""Words read as their parts while training, so that words never seen are read well.

A word that has a piece of its own teaches its parts nothing. Now and then it is split into
them, as a word without a piece is: MaxMatch-Dropout (Hiraoka 2022, arXiv 2209.04126), of
whole words alone. A batch is padded as if no word were split, and words are split as long
as the padding has room: what a batch costs, and which texts are in it, stays as it is.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optical_jax.data.tokenize import Encoded


@dataclass(frozen=True, kw_only=True)
class WordSplits:
    """Splits some words of a batch's texts, the same ones whenever that is read.

    Attributes:
        parts: ids of a word's parts, by its id.
        probability: share of these words that are split.
        seed: of the draws.
    """

    parts: Mapping[int, Sequence[int]]
    probability: float
    seed: int

    def of_batch(self, numbers: Sequence[int]) -> "BatchSplits":
        """Return what splits the texts of a batch of these examples."""
        key = zlib.crc32(np.array(numbers, np.int64).tobytes())
        return BatchSplits(splits=self, key=key)


@dataclass(frozen=True, kw_only=True)
class BatchSplits:
    """Splits texts of one batch, each in its own way, whoever reads the others."""

    splits: WordSplits
    key: int

    def all(self, texts: Sequence[Encoded], number: int, room: int) -> list[Encoded]:
        """Return an example's texts with some words split; see `__call__`."""
        return [self(text, number=number, room=room) for text in texts]

    def __call__(self, text: Encoded, *, number: int, room: int) -> Encoded:
        """Return the text of an example with some words split.

        Args:
            text: as it is.
            number: of the example.
            room: tokens that the text may have.
        """
        parts = [self.splits.parts.get(i, ()) for i in text.ids.tolist()]
        some = np.flatnonzero([len(p) > 1 for p in parts])
        if not len(some):
            return text
        rng = np.random.default_rng((self.splits.seed, self.key, number))
        times = np.ones(len(parts), np.int64)
        room -= len(parts)
        for i in rng.permutation(some[rng.random(len(some)) < self.splits.probability]):
            if len(parts[i]) - 1 <= room:
                room -= len(parts[i]) - 1
                times[i] = len(parts[i])
        ids = [
            p if n > 1 else (i,)
            for i, p, n in zip(text.ids.tolist(), parts, times.tolist(), strict=True)
        ]
        return Encoded(
            np.concatenate(ids).astype(text.ids.dtype),
            np.repeat(text.attended, times),
            np.repeat(text.scored, times),
        )
