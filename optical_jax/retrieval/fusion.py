"""Fusion of runs: reciprocal ranks, or a weighted sum of normalised scores.

A document that only some of the runs retrieved is in the fused run too. Equal scores rank
by doc_id, ascending, as everywhere here.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optical_jax.retrieval import measures, trec

Normalization = Literal["min-max", "z"]
# Weights are chosen in steps of one 20th (two runs) or one 10th (more: there are many).
_STEPS = {2: 20}
_STEPS_OF_MORE = 10
TUNED_BY = "nDCG@10"


@dataclass(frozen=True, kw_only=True)
class FusionConfig:
    """How runs are fused."""

    # Of the runs, in their order; none: chosen on other queries where there are some, else
    # equal. Only their proportions matter.
    weights: tuple[float, ...] = ()
    # How scores of different systems are made comparable before they are summed.
    normalization: Normalization = "min-max"
    # Of reciprocal ranks.
    k: int = 60

    def __post_init__(self) -> None:
        """Check ranges."""
        if any(not 0 <= weight < np.inf for weight in self.weights):
            raise ValueError(
                f"fusion.weights must be numbers of 0 or more, got {self.weights}"
            )
        if self.k < 0:
            raise ValueError(f"fusion.k must be at least 0, got {self.k}")


def reciprocal_rank(
    runs: Sequence[trec.Run], *, k: int = 60, depth: int = 1000
) -> trec.Run:
    """Score a document by the sum of 1 / (k + rank) over the runs that retrieved it.

    Cormack, Clarke and Buettcher, SIGIR 2009, whose k is 60; ranks count from 1.

    Args:
        runs: two or more, each with its best document first.
        k: how little the first ranks differ.
        depth: documents kept for each query.

    Raises:
        ValueError: if there are not two runs, or k is below 0.
    """
    if k < 0:
        raise ValueError(f"k of reciprocal rank fusion must be at least 0, got {k}")

    def scores(row: dict[str, float]) -> tuple[dict[str, float], float]:
        ranked = enumerate(row, start=1)
        return {doc_id: 1.0 / (k + rank) for rank, doc_id in ranked}, 0.0

    return _sum(runs, [1.0] * len(runs), scores, depth)


def weighted(
    runs: Sequence[trec.Run],
    weights: Sequence[float] | None = None,
    *,
    normalization: Normalization = "min-max",
    depth: int = 1000,
) -> trec.Run:
    """Score a document by the weighted sum of its normalised scores.

    Scores are normalised for each query and run. "min-max": from 0, the last document
    retrieved, to 1; one that was not retrieved has 0 (Lee, SIGIR 1997). "z": standard
    scores; one not retrieved has the lowest, and at most -1. Montague and Aslam (CIKM
    2001) discuss such estimates for what a run lacks.

    Args:
        runs: two or more, each with its best document first.
        weights: of the runs, 0 or more; None: equal ones. Only their proportions matter
            to the order.
        normalization: how the scores of different systems are made comparable.
        depth: documents kept for each query.

    Raises:
        ValueError: if there are not two runs, or the weights are not theirs.
    """
    weights = [1.0] * len(runs) if weights is None else list(weights)
    if len(weights) != len(runs) or min(weights) < 0 or not 0 < sum(weights) < np.inf:
        raise ValueError(
            f"fusion needs a weight of 0 or more for each of {len(runs)} runs, not all "
            f"of them 0; got {weights}"
        )
    total = sum(weights)
    normalize = _min_max if normalization == "min-max" else _standard
    return _sum(runs, [weight / total for weight in weights], normalize, depth)


def tune(
    runs: Sequence[trec.Run],
    qrels: trec.Qrels,
    *,
    normalization: Normalization = "min-max",
) -> tuple[float, ...]:
    """Return the weights, in steps of 0.05 (0.1 for 3 or more runs), of the best nDCG@10.

    To be called with a development set: weights chosen on the queries that are reported
    would flatter the fusion. Of equally good weights the most even ones are returned.

    Raises:
        ValueError: if there are not two runs, or the qrels do not fit them.
    """
    steps = _STEPS.get(len(runs), _STEPS_OF_MORE)
    best: tuple[float, float] | None = None
    chosen: tuple[float, ...] = ()
    for parts in _compositions(steps, len(runs)):
        weights = tuple(part / steps for part in parts)
        run = weighted(runs, weights, normalization=normalization, depth=10)
        found = measures.per_query(run, qrels, names=[TUNED_BY])
        # Sums of equal values in another order may differ in the last digits.
        value = round(measures.mean(found)[TUNED_BY], 9)
        key = (value, -float(np.std(parts)))
        if best is None or key > best:
            best, chosen = key, weights
    return chosen


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Yield the ways to write a total as so many ordered addends, 0 among them."""
    for bars in itertools.combinations(range(total + parts - 1), parts - 1):
        ends = (-1, *bars, total + parts - 1)
        yield tuple(b - a - 1 for a, b in itertools.pairwise(ends))


def _min_max(row: dict[str, float]) -> tuple[dict[str, float], float]:
    low, high = min(row.values()), max(row.values())
    if low == high:
        # Retrieved, all alike: above what was not retrieved.
        return dict.fromkeys(row, 1.0), 0.0
    return {d: (score - low) / (high - low) for d, score in row.items()}, 0.0


def _standard(row: dict[str, float]) -> tuple[dict[str, float], float]:
    values = np.array(list(row.values()), np.float64)
    deviation = float(values.std())
    if deviation == 0:
        return dict.fromkeys(row, 0.0), -1.0
    scores = ((values - values.mean()) / deviation).tolist()
    return dict(zip(row, scores, strict=True)), min(*scores, -1.0)


def _sum(
    runs: Sequence[trec.Run],
    weights: Sequence[float],
    scores: Callable[[dict[str, float]], tuple[dict[str, float], float]],
    depth: int,
) -> trec.Run:
    """Sum the scores of each run's rows, and for documents missing there its floor."""
    if len(runs) < 2:
        raise ValueError(f"fusion needs two runs or more, got {len(runs)}")
    fused: trec.Run = {}
    for query_id in dict.fromkeys(q for run in runs for q in run):
        parts = [
            (weight, *scores(run[query_id]))
            for run, weight in zip(runs, weights, strict=True)
            if run.get(query_id)
        ]
        documents = {doc_id for _, found, _ in parts for doc_id in found}
        # An exact sum: the order of the runs breaks no tie.
        total = {
            doc_id: math.fsum(w * found.get(doc_id, floor) for w, found, floor in parts)
            for doc_id in documents
        }
        best = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:depth]
        fused[query_id] = dict(best)
    return fused
