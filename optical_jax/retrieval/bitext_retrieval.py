"""Bitext retrieval: the rank of each sentence's translation among all, several ways."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from optical_jax.retrieval import search
from optical_jax.retrieval.encode import TokenVectors

Scores = Literal["maxsim", "cosine", "csls"]
# Neighbours that CSLS takes the mean of, as in its paper.
_NEIGHBOURS = 10


def maxsim_ranks(
    queries: TokenVectors, documents: TokenVectors, own: Int[np.ndarray, " q"]
) -> Int[np.ndarray, " q"]:
    """Return the rank of each query's own document by MaxSim; ties count against it."""
    ranking = search.search(queries, documents, k=len(documents))
    score = ranking.scores[ranking.indices == own[:, None]][:, None]
    return (ranking.scores >= score).sum(axis=1)


def diagonal_ranks(scores: Float[np.ndarray, "n n"]) -> Int[np.ndarray, " n"]:
    """Return the rank of each row's own column; ties count against it."""
    return (scores >= np.diagonal(scores)[:, None]).sum(axis=1)


def cosines(x: TokenVectors, y: TokenVectors) -> Float[np.ndarray, "n m"]:
    """Return the cosine of the mean vectors of each text of x and each of y."""
    return _means(x) @ _means(y).T


def csls(cosine: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n m"]:
    """Return 2 cos(x, y) - r(x) - r(y), r the mean cosine of the ten nearest neighbours.

    It lowers texts that are near to everything (hubs). Conneau et al.: Word Translation
    Without Parallel Data, ICLR 2018, arXiv 1710.04087, Eq. 3.
    """
    return 2 * cosine - _nearest(cosine)[:, None] - _nearest(cosine.T)[None]


def measures(ranks: Int[np.ndarray, " q"]) -> dict[str, float]:
    """Return R@1 and RR of the ranks of own documents."""
    return {"R@1": float((ranks == 1).mean()), "RR": float((1 / ranks).mean())}


def both_ways(
    source: TokenVectors, target: TokenVectors
) -> dict[tuple[str, Scores], dict[str, float]]:
    """Measure how parallel texts find each other.

    Args:
        source: vectors of n texts.
        target: vectors of their n translations; no two texts of a side are the same.

    Returns:
        {(direction, scores): measures}, directions "target->source" and
        "source->target", the queries' side first.

    Raises:
        ValueError: if the numbers of texts differ.
    """
    if len(source) != len(target):
        raise ValueError(
            f"texts must be parallel, got {len(source)} sources, {len(target)} targets"
        )
    own = np.arange(len(source))
    cosine = cosines(target, source)
    ranks = {
        ("target->source", "maxsim"): maxsim_ranks(target, source, own),
        ("target->source", "cosine"): diagonal_ranks(cosine),
        ("target->source", "csls"): diagonal_ranks(csls(cosine)),
        ("source->target", "maxsim"): maxsim_ranks(source, target, own),
        ("source->target", "cosine"): diagonal_ranks(cosine.T),
        ("source->target", "csls"): diagonal_ranks(csls(cosine.T)),
    }
    return {way: measures(found) for way, found in ranks.items()}


def _means(x: TokenVectors) -> Float[np.ndarray, "n d"]:
    sums = np.stack([x[i].sum(axis=0, dtype=np.float32) for i in range(len(x))])
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def _nearest(cosine: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
    k = min(_NEIGHBOURS, cosine.shape[1])
    return np.partition(cosine, -k, axis=1)[:, -k:].mean(axis=1)
