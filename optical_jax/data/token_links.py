"""Links between the tokens of sentence pairs, as a retriever's head cuts them.

The tokens of both tokenizers are what is aligned, without asking what a word is: statistical
aligners lose little by it where words are rare (SimAlign, arXiv 2004.08728, finds subwords
as good or better for them), and no language needs rules of its own.
"""

import collections
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from optical_jax.data import tokenize, word_links


@dataclass(frozen=True, kw_only=True)
class TokenLinker:
    """Links the tokens of two tokenizers: a trained aligner, and what made the tokens.

    Tokens of the text are linked by the aligner; special tokens ([CLS], markers) are no
    words: each is linked to the one of the same spelling, the first to the first.
    """

    aligner: word_links.Aligner
    target: tokenize.TextEncoder
    source: tokenize.TextEncoder
    # See `word_links.Aligner.link`.
    threshold: float

    def matrices(
        self,
        targets: Sequence[tokenize.Encoded],
        sources: Sequence[tokenize.Encoded],
        shape: tuple[int, int],
    ) -> Bool[np.ndarray, "b m n"]:
        """Return which target tokens are linked to which source tokens, padded to [m n]."""
        sides = [
            (_Side.of(target, self.target), _Side.of(source, self.source))
            for target, source in zip(targets, sources, strict=True)
        ]
        words = [(source.tokens, target.tokens) for target, source in sides]
        found = self.aligner.link(words, threshold=self.threshold)
        out = np.zeros((len(sides), *shape), bool)
        for matrix, between, (target, source) in zip(out, found, sides, strict=True):
            matrix[target.places[between[:, 1]], source.places[between[:, 0]]] = True
            for name, place in target.special.items():
                if name in source.special:
                    matrix[place, source.special[name]] = True
        return out


def train(
    targets: Sequence[tokenize.Encoded],
    sources: Sequence[tokenize.Encoded],
    *,
    target: tokenize.TextEncoder,
    source: tokenize.TextEncoder,
    threshold: float,
) -> TokenLinker:
    """Train a linker on the tokens of a bitext.

    Args:
        targets: the student's tokens of each pair.
        sources: the teacher's.
        target: what the student's tokens were made by.
        source: what the teacher's were made by.
        threshold: see `word_links.Aligner.link`.
    """
    words = [
        (_Side.of(s, source).tokens, _Side.of(t, target).tokens)
        for t, s in zip(targets, sources, strict=True)
    ]
    return TokenLinker(
        aligner=word_links.train(words),
        target=target,
        source=source,
        threshold=threshold,
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
