"""Nearest texts by the mean of their token vectors: candidates where MaxSim is too slow.

MaxSim of all against all of 50,000 sentences takes hours on a CPU; their means take a
minute, and a teacher's means are close where its MaxSim is high.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

# Similarities held at once, as float32: 256 MiB.
_LARGEST_BLOCK = 2**26


def means(texts: Iterable[np.ndarray]) -> Float[np.ndarray, "n d"]:
    """Return the unit mean of each text's token vectors [t d]."""
    rows = np.stack([np.asarray(tokens, np.float32).mean(axis=0) for tokens in texts])
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def search(
    queries: Float[np.ndarray, "q d"],
    documents: Float[np.ndarray, "n d"],
    *,
    k: int,
    excluded: Int[np.ndarray, " q"] | None = None,
) -> Int[np.ndarray, "q k"]:
    """Return the positions of the k documents of highest dot product, best first.

    Args:
        queries: one vector a query.
        documents: one vector a document.
        k: how many, at most all of them.
        excluded: a document that each query must not find, or -1; where there is one and
            k is all, the last of the query's documents is -1.
    """
    k = min(k, len(documents))
    found = np.empty((len(queries), k), np.int32)
    step = max(1, _LARGEST_BLOCK // len(documents))
    for start in range(0, len(queries), step):
        scores = queries[start : start + step] @ documents.T
        if excluded is not None:
            rows = np.flatnonzero(excluded[start : start + step] >= 0)
            scores[rows, excluded[start + rows]] = -np.inf
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        best = np.take_along_axis(best, order, axis=1)
        reached = np.take_along_axis(scores, best, axis=1) > -np.inf
        found[start : start + step] = np.where(reached, best, -1)
    return found
