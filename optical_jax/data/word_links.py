"""Which words of a sentence translate which of the other, for every pair of a bitext.

IBM model 1 with the diagonal prior is trained in both directions, and words are linked
where both agree: alignment by agreement of posteriors (Liang, Taskar, Klein 2006).
"""

from collections.abc import Iterator, Sequence

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


def link(
    pairs: Sequence[tuple[Sentence, Sentence]],
    *,
    iterations: int = 5,
    threshold: float = THRESHOLD,
) -> list[Int[np.ndarray, "k 2"]]:
    """Align a bitext with itself and return the links of every pair.

    Args:
        pairs: Tokenised (source, target) sentences.
        iterations: Steps of expectation maximisation, in each direction.
        threshold: Least sqrt(p(j | i) p(i | j)) of a link between words i and j.

    Returns:
        For each pair the (source, target) positions of its links, in rising order; none
        for a pair with an empty side.

    Raises:
        ValueError: No pair has words on both sides, or the threshold is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}")
    whole = [i for i, (source, target) in enumerate(pairs) if source and target]
    kept = [pairs[i] for i in whole]
    swapped = [(target, source) for source, target in kept]
    found = [np.zeros((0, 2), np.int64) for _ in pairs]
    there = _posteriors(kept, iterations=iterations)
    back = _posteriors(swapped, iterations=iterations)
    for i, given_target, given_source in zip(whole, there, back, strict=True):
        agreed = given_target * given_source.T > threshold**2
        found[i] = np.argwhere(agreed)
    return found


def _posteriors(
    pairs: Sequence[tuple[Sentence, Sentence]], *, iterations: int
) -> Iterator[Float[np.ndarray, "m n"]]:
    """Yield p(target word j | source word i) of each pair, without NULL's column."""
    lexicon = alignment.ibm1(
        pairs, iterations=iterations, tension=TENSION, null_prior=NULL_PRIOR
    )
    _, source = alignment.number([source for source, _ in pairs])
    _, target = alignment.number([target for _, target in pairs])
    keys, probabilities = _table(lexicon, source)
    columns = len(lexicon.source_words)
    for s, t in alignment.split(source, target):
        chunk = alignment.cooccur(
            s, t, columns=columns, tension=TENSION, null=NULL_PRIOR
        )
        places = np.minimum(np.searchsorted(keys, chunk.keys), len(keys) - 1)
        links = np.where(keys[places] == chunk.keys, probabilities[places], 0.0)
        links *= chunk.prior
        widths = np.diff(chunk.segments, append=len(links))
        links /= np.repeat(np.add.reduceat(links, chunk.segments), widths)
        ends = np.cumsum(s.lengths * (t.lengths + 1))
        for m, n, end in zip(s.lengths, t.lengths, ends, strict=True):
            yield links[end - m * (n + 1) : end].reshape(m, n + 1)[:, 1:]


def _table(
    lexicon: alignment.Lexicon, source: alignment.Tokens
) -> tuple[Int[np.ndarray, " u"], Float[np.ndarray, " u"]]:
    """Return the lexicon by `alignment.cooccur`'s keys, with a row for NULL.

    The lexicon keeps no row for NULL; the words' frequencies stand for it.
    """
    columns = len(lexicon.source_words)
    entries = lexicon.probabilities.tocoo()
    frequency = np.bincount(source.ids, minlength=columns) / len(source.ids)
    keys = np.concatenate(
        [np.arange(columns), (entries.row.astype(np.int64) + 1) * columns + entries.col]
    )
    values = np.concatenate([frequency, entries.data])
    order = np.argsort(keys)
    return keys[order], values[order]
