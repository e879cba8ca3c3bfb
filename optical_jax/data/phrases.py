"""Phrases of a linked sentence pair that translate each other, and where they stand.

Consistent phrase pairs as in phrase-based translation (Koehn, Och, Marcu 2003): no link
leaves the pair of phrases, and here the first and last words of both are linked, so that
unlinked words beside a phrase do not multiply its translations.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from optical_jax.data import word_links, word_spans
from optical_jax.data.sources import Pair
from optical_jax.data.word_spans import Span


class Phrase(NamedTuple):
    """Words source[begin:end] translate target[target_begin:target_end]."""

    begin: int
    end: int
    target_begin: int
    target_end: int


@dataclass(frozen=True)
class Linked:
    """A sentence pair, its words, and the links between them."""

    pair: Pair
    source: list[Span]
    target: list[Span]
    # Positions of linked words in `source` and `target`.
    links: Int[np.ndarray, "k 2"]

    def swapped(self) -> "Linked":
        """Return the pair the other way round."""
        turned = self.links[:, ::-1]
        return Linked(
            Pair(self.pair.target, self.pair.source),
            self.target,
            self.source,
            turned[np.lexsort((turned[:, 1], turned[:, 0]))],
        )

    def source_text(self, begin: int, end: int) -> str:
        """Return what source[begin:end] is in the text."""
        return self.pair.source[self.source[begin].begin : self.source[end - 1].end]

    def target_text(self, begin: int, end: int) -> str:
        """Return what target[begin:end] is in the text."""
        return self.pair.target[self.target[begin].begin : self.target[end - 1].end]

    def phrases(self, *, longest: int, longest_target: int) -> Iterator[Phrase]:
        """Yield the phrase pairs of up to so many words, by their place in the source."""
        source_reach = _reach(self.links, len(self.source))
        target_reach = _reach(self.links[:, ::-1], len(self.target))
        for begin in range(len(source_reach)):
            if source_reach[begin] is None:
                continue
            low, high = source_reach[begin]
            for end in range(begin + 1, min(begin + longest, len(source_reach)) + 1):
                reach = source_reach[end - 1]
                if reach is None:
                    continue
                # The words in between reach no further, or the phrase has a hole.
                low, high = min(low, reach[0]), max(high, reach[1])
                if high - low >= longest_target:
                    break
                inner = [r for r in target_reach[low : high + 1] if r is not None]
                if min(r[0] for r in inner) < begin:
                    break
                if max(r[1] for r in inner) < end:
                    yield Phrase(begin, end, low, high + 1)


def _reach(links: Int[np.ndarray, "k 2"], words: int) -> list[tuple[int, int] | None]:
    """Return the first and the last word that each word is linked to."""
    found: list[tuple[int, int] | None] = [None] * words
    for i, j in links.tolist():
        low, high = found[i] or (j, j)
        found[i] = (min(low, j), max(high, j))
    return found


def link(pairs: Sequence[Pair]) -> list[Linked]:
    """Align a bitext with itself (`word_links.link`) and return its linked pairs."""
    words = [(word_spans.spans(s), word_spans.spans(t)) for s, t in pairs]
    links = word_links.link(
        [([span.word for span in s], [span.word for span in t]) for s, t in words]
    )
    return [
        Linked(pair, source, target, found)
        for pair, (source, target), found in zip(pairs, words, links, strict=True)
    ]
