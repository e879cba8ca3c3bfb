"""The words of a text with their places in it, so that some can be replaced in place."""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from optical_jax.data import alignment, scripts

_RUN = re.compile(r"\S+")


class Span(NamedTuple):
    """A word as `alignment.word_tokenize` gives it, and text[begin:end] that it is."""

    word: str
    begin: int
    end: int


def spans(text: str) -> list[Span]:
    """Return the words of a text in NFC; of scripts without spaces, overlapping pairs.

    The words are those of `alignment.word_tokenize`, in the same order.
    """
    blanked = text.translate(alignment.SEPARATORS)
    found: list[Span] = []
    for match in _RUN.finditer(blanked):
        run = match[0].strip("'")
        begin = match.start() + match[0].index(run)
        if run.isascii() or not any(map(scripts.is_unspaced, run)):
            found += _span(text, begin, begin + len(run))
            continue
        for unspaced, group in itertools.groupby(run, key=scripts.is_unspaced):
            part = "".join(group)
            end = begin + len(part)
            found += _pairs(text, begin, part) if unspaced else _span(text, begin, end)
            begin = end
    return found


def together(text: str, words: Sequence[Span]) -> bool:
    """Tell whether only blanks and hyphens are between words of a text."""
    gaps = (text[a.end : b.begin] for a, b in itertools.pairwise(words))
    return all(unicodedata.category(c) in ("Zs", "Pd") for gap in gaps for c in gap)


def _span(text: str, begin: int, end: int) -> Iterator[Span]:
    # Folding a character may give a mark alone or nothing: such runs hold no word.
    for word in alignment.word_tokenize(text[begin:end])[:1]:
        yield Span(word, begin, end)


def _pairs(text: str, begin: int, run: str) -> Iterator[Span]:
    place = 0
    for pair in alignment.bigrams(run):
        place = run.index(pair, place)
        at = begin + place
        yield from _span(text, at, at + len(pair))
        place += 1
