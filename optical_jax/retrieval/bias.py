"""Language bias: do questions that ask the same in several languages find the same?

Runs of parallel query sets, which have the same query ids, are compared: how far apart
the relevant document ranks (max rank distance) and how far the rankings agree (RankC).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from optical_jax.retrieval import trec

DEPTH = 100

Weights = Literal["softmax", "linear"]


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """How far the rankings of two languages agree, means over the queries."""

    a: str
    b: str
    softmax: float
    linear: float


@dataclass(frozen=True, kw_only=True)
class Bias:
    """Language bias of one method over parallel query sets, means over the queries.

    `ranks` has the mean rank of the relevant documents in each query set; those not
    found count as ranked at depth + 1 in it and in `max_rank_distance`.
    """

    depth: int
    queries: int
    ranks: dict[str, float]
    max_rank_distance: float
    consistency: list[Consistency]


def measure(
    runs: Mapping[str, trec.Run], qrels: trec.Qrels, *, depth: int = DEPTH
) -> Bias:
    """Measure the bias between the runs of parallel query sets.

    Args:
        runs: {query set: run}, two or more; a query that a run lacks found nothing.
        qrels: of the queries, whose ids are those of every query set.
        depth: documents of a ranking that count.

    Raises:
        ValueError: if there are not two runs, or query ids are not the same.
    """
    _check(runs, qrels, depth)
    ranks = relevant_ranks(runs, qrels, depth=depth)
    distances = max_rank_distance(runs, qrels, depth=depth)
    return Bias(
        depth=depth,
        queries=len(qrels),
        ranks={name: float(np.mean(list(row.values()))) for name, row in ranks.items()},
        max_rank_distance=float(np.mean(list(distances.values()))),
        consistency=[
            Consistency(
                a=a,
                b=b,
                softmax=_mean_consistency(runs[a], runs[b], qrels, depth, "softmax"),
                linear=_mean_consistency(runs[a], runs[b], qrels, depth, "linear"),
            )
            for a, b in itertools.combinations(runs, 2)
        ],
    )


def relevant_ranks(
    runs: Mapping[str, trec.Run], qrels: trec.Qrels, *, depth: int = DEPTH
) -> dict[str, dict[str, float]]:
    """Return {query set: {query_id: mean rank of its relevant documents}}."""
    return {
        name: {
            query_id: float(np.mean(_ranks(run, query_id, judged, depth)))
            for query_id, judged in qrels.items()
        }
        for name, run in runs.items()
    }


def max_rank_distance(
    runs: Mapping[str, trec.Run], qrels: trec.Qrels, *, depth: int = DEPTH
) -> dict[str, float]:
    """Return the max rank distance of each query; 0: the same rank in every language.

        MRD(q) = mean over relevant d of  max over languages k, l of |r_k(d) - r_l(d)|

    where r_k(d) is the rank of document d for the query in language k, and depth + 1 if it
    is not among the first depth.

    References:
        Elmahdy, Lin, Ahmad: Synergistic Approach for Simultaneous Optimization of
        Monolingual, Cross-lingual, and Multilingual Information Retrieval, 2024, arXiv
        2408.10536, for documents that are parallel, one query ranking all of them; here
        the queries are parallel and rank the same document. Its text was not at hand:
        the cut at depth and the mean over documents are this project's.
    """
    found = {}
    for query_id, judged in qrels.items():
        ranks = np.array([_ranks(r, query_id, judged, depth) for r in runs.values()])
        found[query_id] = float(np.ptp(ranks, axis=0).mean())
    return found


def rank_consistency(
    a: Sequence[str],
    b: Sequence[str],
    *,
    depth: int = DEPTH,
    weights: Weights = "softmax",
) -> float:
    """Return RankC of two rankings, in [0, 1]; 1: the same documents in the same order.

        RankC = sum_{j=1..N} w_j P@j,   P@j = |first j of a, and of b| / j

    with w_j = e^(N-j) / sum_k e^(N-k) ("softmax") or (N - j + 1) / sum_k k ("linear"). Of
    rankings shorter than j, all of it is taken and the longer one's length is divided by;
    two empty ones agree.

    Args:
        a: document ids, best first.
        b: the same of another language.
        depth: N.
        weights: softmax puts .63 on the first rank and .23 on the second at any N.

    References:
        Qi, Fernandez, Bisazza: Cross-Lingual Consistency of Factual Knowledge in
        Multilingual Language Models, EMNLP 2023, arXiv 2310.10378; the linear variant is
        "norm1" in their code.
    """
    a, b = a[:depth], b[:depth]
    place = {document: i for i, document in enumerate(b)}
    # A document is in both beginnings from the later one of its two ranks on.
    entered = [max(i, place[d]) for i, d in enumerate(a) if d in place]
    common = np.cumsum(np.bincount(entered, minlength=depth))
    length = np.minimum(np.arange(1, depth + 1), max(len(a), len(b)))
    agreement = np.ones(depth)
    np.divide(common, length, out=agreement, where=length > 0)
    return float(_weights(depth, weights) @ agreement)


def _weights(depth: int, kind: Weights) -> Float[np.ndarray, " n"]:
    ranks = np.arange(depth)
    # e^(N-j) overflows from N = 710 on; divided by e^(N-1) it is at most 1.
    raw = np.exp(-ranks) if kind == "softmax" else (depth - ranks).astype(float)
    return raw / raw.sum()


def _mean_consistency(
    a: trec.Run, b: trec.Run, qrels: trec.Qrels, depth: int, weights: Weights
) -> float:
    values = [
        rank_consistency(
            list(a.get(query_id, {})),
            list(b.get(query_id, {})),
            depth=depth,
            weights=weights,
        )
        for query_id in qrels
    ]
    return float(np.mean(values))


def _ranks(
    run: trec.Run, query_id: str, judged: Mapping[str, int], depth: int
) -> list[int]:
    """Return the rank of each relevant document of a query, depth + 1 if beyond depth."""
    place = {d: i for i, d in enumerate(run.get(query_id, {}), start=1)}
    return [
        min(place.get(document, depth + 1), depth + 1)
        for document, relevance in judged.items()
        if relevance > 0
    ]


def _check(runs: Mapping[str, trec.Run], qrels: trec.Qrels, depth: int) -> None:
    if len(runs) < 2:
        raise ValueError(
            f"language bias lies between two query sets or more, got {list(runs)}"
        )
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    without = [q for q, judged in qrels.items() if max(judged.values(), default=0) < 1]
    if without or not qrels:
        raise ValueError(
            "every query must have a relevant document, got none for "
            f"{len(without) or 'any'} queries ({', '.join(without[:3])})"
        )
    for name, run in runs.items():
        other = [query_id for query_id in run if query_id not in qrels]
        if other:
            raise ValueError(
                f"parallel query sets must have the same query ids, got {len(other)} in "
                f"{name!r} that the qrels lack ({', '.join(other[:3])})"
            )
