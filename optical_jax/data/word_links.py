"""Which words of a sentence translate which of its translation, by a bitext.

IBM model 1 with the diagonal prior is trained in both directions, and words are linked
where both agree: alignment by agreement of posteriors (Liang, Taskar, Klein 2006).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from optical_jax.data import alignment

# What `alignment` takes for the diagonal prior (fast_align's usual strength) and NULL.
TENSION = 4.0
NULL_PRIOR = 0.08
# The least geometric mean of both posteriors. A word that two others share has
# posteriors of about 1 and 1/2: it should keep both.
THRESHOLD = 0.4

Sentence = Sequence[str]
Sentences = Sequence[tuple[Sentence, Sentence]]


@dataclass(frozen=True, kw_only=True)
class Aligner:
    """Both directions of a word aligner: links the words of any sentence pair."""

    there: "_Direction"
    back: "_Direction"

    def link(
        self, pairs: Sentences, *, threshold: float = THRESHOLD
    ) -> list[Int[np.ndarray, "k 2"]]:
        """Return the (source, target) positions of each pair's links, in rising order.

        Words that the aligner was not trained on have none.

        Args:
            pairs: Tokenised (source, target) sentences.
            threshold: Least sqrt(p(j | i) p(i | j)) of a link between words i and j.

        Raises:
            ValueError: The threshold is not in (0, 1].
        """
        if not 0 < threshold <= 1:
            raise ValueError(
                f"threshold must be above 0 and at most 1, got {threshold}"
            )
        found = [np.zeros((0, 2), np.int64) for _ in pairs]
        whole = [i for i, (source, target) in enumerate(pairs) if source and target]
        if not whole:
            return found
        there = self.there.posteriors([pairs[i] for i in whole])
        back = self.back.posteriors(_swapped([pairs[i] for i in whole]))
        for i, given_target, given_source in zip(whole, there, back, strict=True):
            agreed = given_target * given_source.T > threshold**2
            found[i] = np.argwhere(agreed)
        return found


def train(pairs: Sentences, *, iterations: int = 5) -> Aligner:
    """Train an aligner on tokenised (source, target) sentences.

    Raises:
        ValueError: No pair has words on both sides.
    """
    kept = [(source, target) for source, target in pairs if source and target]
    return Aligner(
        there=_Direction.train(kept, iterations=iterations),
        back=_Direction.train(_swapped(kept), iterations=iterations),
    )


def link(
    pairs: Sentences, *, iterations: int = 5, threshold: float = THRESHOLD
) -> list[Int[np.ndarray, "k 2"]]:
    """Align a bitext with itself: `train`, then `Aligner.link`."""
    return train(pairs, iterations=iterations).link(pairs, threshold=threshold)


def _swapped(pairs: Sentences) -> list[tuple[Sentence, Sentence]]:
    return [(target, source) for source, target in pairs]


@dataclass(frozen=True, kw_only=True)
class _Direction:
    """p(source word | target word), by `alignment.cooccur`'s keys, with a row for NULL."""

    sources: dict[str, int]
    targets: dict[str, int]
    keys: Int[np.ndarray, " u"]
    probabilities: Float[np.ndarray, " u"]

    @classmethod
    def train(cls, pairs: Sentences, *, iterations: int) -> "_Direction":
        lexicon = alignment.ibm1(
            pairs, iterations=iterations, tension=TENSION, null_prior=NULL_PRIOR
        )
        columns = len(lexicon.source_words)
        entries = lexicon.probabilities.tocoo()
        # The lexicon keeps no row for NULL; the words' frequencies stand for it.
        _, source = alignment.number([source for source, _ in pairs])
        frequency = np.bincount(source.ids, minlength=columns) / len(source.ids)
        of_words = (entries.row.astype(np.int64) + 1) * columns + entries.col
        keys = np.concatenate([np.arange(columns), of_words])
        values = np.concatenate([frequency, entries.data])
        order = np.argsort(keys)
        return cls(
            sources={word: i for i, word in enumerate(lexicon.source_words)},
            targets={word: i for i, word in enumerate(lexicon.target_words)},
            keys=keys[order],
            probabilities=values[order],
        )

    def posteriors(self, pairs: Sentences) -> Iterator[Float[np.ndarray, "m n"]]:
        """Yield p(target word j | source word i) of each pair, without NULL's column."""
        source = _numbered([source for source, _ in pairs], self.sources, unknown=-1)
        # A row behind the last one: it has no entries.
        unknown = len(self.targets)
        target = _numbered([t for _, t in pairs], self.targets, unknown=unknown)
        for s, t in alignment.split(source, target):
            chunk = alignment.cooccur(
                s, t, columns=len(self.sources), tension=TENSION, null=NULL_PRIOR
            )
            # Looked up in rising order, each is near the one before in a large table.
            wanted, inverse = np.unique(chunk.keys, return_inverse=True)
            places = np.searchsorted(self.keys, wanted)
            places = np.minimum(places, len(self.keys) - 1)
            known = self.keys[places] == wanted
            found = np.where(known, self.probabilities[places], 0.0)
            links = found[inverse] * chunk.prior
            widths = np.diff(chunk.segments, append=len(links))
            # The key of an unknown word may be another's: it is NULL's for certain.
            links[np.repeat(s.ids < 0, widths)] = 0.0
            links[chunk.segments[s.ids < 0]] = 1.0
            links /= np.repeat(np.add.reduceat(links, chunk.segments), widths)
            ends = np.cumsum(s.lengths * (t.lengths + 1))
            for m, n, end in zip(s.lengths, t.lengths, ends, strict=True):
                yield links[end - m * (n + 1) : end].reshape(m, n + 1)[:, 1:]


def _numbered(
    sentences: Sequence[Sentence], numbers: dict[str, int], *, unknown: int
) -> alignment.Tokens:
    ids = [numbers.get(word, unknown) for words in sentences for word in words]
    lengths = [len(words) for words in sentences]
    return alignment.Tokens(
        ids=np.array(ids, np.int64), lengths=np.array(lengths, np.int64)
    )
