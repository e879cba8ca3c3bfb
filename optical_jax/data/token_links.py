"""Links between the tokens of sentence pairs, as a retriever's head cuts them.

The tokens of both tokenizers are what is aligned, without asking what a word is: statistical
aligners lose little by it where words are rare (SimAlign, arXiv 2004.08728, finds subwords
as good or better for them), and no language needs rules of its own.
"""

import collections
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from optical_jax.data import tokenize, word_links


class TokenLinks:
    """The linked tokens of every pair of a bitext, by the number of the pair."""

    def __init__(self, links: Sequence[Int[np.ndarray, "k 2"]]):
        """Take the (target, source) positions of each pair's links."""
        self._offsets = np.cumsum([0, *map(len, links)])
        self._links = np.concatenate(links).astype(np.int16)

    def matrices(
        self, pairs: Sequence[int], shape: tuple[int, int]
    ) -> Bool[np.ndarray, "b m n"]:
        """Return which target tokens [m] are linked to which source tokens [n]."""
        out = np.zeros((len(pairs), *shape), bool)
        for matrix, i in zip(out, pairs, strict=True):
            target, source = self._links[self._offsets[i] : self._offsets[i + 1]].T
            matrix[target, source] = True
        return out


def link(
    targets: Sequence[tokenize.Encoded],
    sources: Sequence[tokenize.Encoded],
    *,
    target_text: tokenize.TextEncoder,
    source_text: tokenize.TextEncoder,
    threshold: float,
) -> TokenLinks:
    """Align a bitext with itself.

    Tokens of the text are linked by `word_links.link`; special tokens ([CLS], markers) are
    no words: each is linked to the one of the same spelling, the first to the first.

    Args:
        targets: the student's tokens of each pair.
        sources: the teacher's.
        target_text: what the student's tokens were made by.
        source_text: what the teacher's were made by.
        threshold: see `word_links.link`.
    """
    sides = [
        (_Side.of(target, target_text), _Side.of(source, source_text))
        for target, source in zip(targets, sources, strict=True)
    ]
    words = [(source.tokens, target.tokens) for target, source in sides]
    found = word_links.link(words, threshold=threshold)
    return TokenLinks(
        [
            np.concatenate(
                [
                    np.stack([target.places[j], source.places[i]], axis=1),
                    _same(target.special, source.special),
                ]
            )
            for (i, j), (target, source) in zip(
                (between.T for between in found), sides, strict=True
            )
        ]
    )


class _Side(NamedTuple):
    """One sentence: its tokens of text with their places, and its special tokens."""

    tokens: list[str]
    places: Int[np.ndarray, " t"]
    # Place of each special token, by spelling and how often it stood before.
    special: dict[tuple[str, int], int]

    @classmethod
    def of(cls, encoded: tokenize.Encoded, text: tokenize.TextEncoder) -> "_Side":
        names = {t.content for t in text.tokenizer.get_added_tokens_decoder().values()}
        seen: collections.Counter[str] = collections.Counter()
        tokens, places, special = [], [], {}
        for place, token in enumerate(text.tokens(encoded.ids)):
            if token in names:
                special[token, seen[token]] = place
                seen[token] += 1
            else:
                tokens.append(token)
                places.append(place)
        return cls(tokens, np.array(places, np.int64), special)


def _same(
    target: dict[tuple[str, int], int], source: dict[tuple[str, int], int]
) -> Int[np.ndarray, "k 2"]:
    both = [(place, source[name]) for name, place in target.items() if name in source]
    return np.array(both, np.int64).reshape(-1, 2)
