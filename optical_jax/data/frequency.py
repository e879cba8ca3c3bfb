"""How rare tokens are in a corpus: inverse document frequencies."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from optical_jax.data import tokenize


def inverse(
    sentences: Sequence[tokenize.Encoded], *, size: int
) -> Float[np.ndarray, " v"]:
    """Return log((1 + N) / (1 + n)) + 1 of every token id, n of N sentences holding it.

    The smoothed form (that of scikit-learn): a token of every sentence, such as [CLS],
    keeps a weight of 1, and one that was never seen has the largest, not an infinite one.

    Args:
        sentences: the corpus; each sentence counts a token once.
        size: token ids are below it.
    """
    counts = np.zeros(size, np.int64)
    for sentence in sentences:
        counts[np.unique(sentence.ids)] += 1
    weights = np.log((1 + len(sentences)) / (1 + counts)) + 1
    return weights.astype(np.float32)
