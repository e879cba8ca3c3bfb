"""Paired permutation tests between methods, with Holm's correction."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# A sum of differences that is equal but for rounding counts as equal.
_TOLERANCE = 1e-9
_CHUNK = 8192


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One measure of two methods on the same queries; difference = mean of a - b."""

    measure: str
    a: str
    b: str
    difference: float
    p_value: float
    p_adjusted: float
    significant: bool


@dataclass(frozen=True, kw_only=True)
class Comparisons:
    """A family of comparisons and everything needed to do it again."""

    test: str
    samples: int
    seed: int
    correction: str
    alpha: float
    queries: int
    results: list[Comparison]


def permutation_test(
    differences: Float[np.ndarray, "q f"], *, samples: int = 100_000, seed: int = 0
) -> Float[np.ndarray, " f"]:
    """Return two-sided p-values of the mean difference of each column being 0.

    If the two systems are the same, every query's difference is as likely with the other
    sign (Fisher's randomisation; Smucker, Allan and Carterette, CIKM 2007). The p-value is
    the share of sign assignments whose sum is as far from 0. All 2^q of them are counted
    where they are no more than samples; else that many are drawn, and the one observed
    counts as one of them, so that p is never 0.

    Raises:
        ValueError: if there is no query or samples is not positive.
    """
    queries = len(differences)
    if queries < 1 or samples < 1:
        raise ValueError(
            f"a test needs at least one query and one sample, got {queries} and {samples}"
        )
    observed = np.abs(differences.sum(axis=0)) - _TOLERANCE
    exact = is_exact(queries, samples)
    total = 2**queries if exact else samples
    rng = np.random.default_rng(seed)
    extreme = np.zeros(differences.shape[1], np.int64)
    for start in range(0, total, _CHUNK):
        size = min(_CHUNK, total - start)
        if exact:
            codes = np.arange(start, start + size)
            bits = (codes[:, None] >> np.arange(queries)) & 1
        else:
            packed = rng.integers(0, 256, (size, -(-queries // 8)), np.uint8)
            bits = np.unpackbits(packed, axis=1, count=queries)
        sums = (2.0 * bits - 1.0) @ differences
        extreme += (np.abs(sums) >= observed).sum(axis=0)
    return extreme / total if exact else (extreme + 1) / (total + 1)


def is_exact(queries: int, samples: int) -> bool:
    """Say whether all sign assignments of so many queries are counted."""
    return queries < 63 and 2**queries <= samples


def holm(p_values: Float[np.ndarray, " f"]) -> Float[np.ndarray, " f"]:
    """Adjust p-values for their number (Holm, 1979, a sequentially rejective test)."""
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def compare(
    methods: Mapping[str, Mapping[str, Mapping[str, float]]],
    *,
    baseline: str | None = None,
    samples: int = 100_000,
    seed: int = 0,
    alpha: float = 0.05,
) -> Comparisons:
    """Compare methods on every measure; all of it is one family.

    Args:
        methods: {method: {measure: {query_id: value}}}, as `measures.per_query` gives.
        baseline: the method that every other one is compared with; None: every two
            methods are compared.
        samples: sign assignments, see `permutation_test`.
        seed: of the assignments.
        alpha: level of the family.

    Raises:
        ValueError: if the methods were not measured on the same queries, or the baseline
            is not among them.
    """
    names = list(methods)
    if baseline is not None and baseline not in methods:
        raise ValueError(
            f"baseline must be a method measured on these queries ({', '.join(names)}), "
            f"got {baseline!r}"
        )
    pairs = [
        (a, b) for a, b in itertools.combinations(names, 2) if baseline in (None, a, b)
    ]
    first = next(iter(methods[names[0]].values()))
    query_ids = sorted(first)
    columns = [
        (measure, a, b, _differences(methods, measure, a, b, query_ids))
        for measure in methods[names[0]]
        for a, b in pairs
    ]
    results = []
    if columns:
        matrix = np.stack([column[3] for column in columns], axis=1)
        p_values = permutation_test(matrix, samples=samples, seed=seed)
        adjusted = holm(p_values)
        results = [
            Comparison(
                measure=measure,
                a=a,
                b=b,
                difference=float(matrix[:, i].mean()),
                p_value=float(p_values[i]),
                p_adjusted=float(adjusted[i]),
                significant=bool(adjusted[i] <= alpha),
            )
            for i, (measure, a, b, _) in enumerate(columns)
        ]
    exact = is_exact(len(query_ids), samples)
    kind = "exact" if exact else "sampled"
    return Comparisons(
        test=f"paired two-sided permutation test (sign flips, {kind})",
        samples=2 ** len(query_ids) if exact else samples,
        seed=seed,
        correction=f"Holm, family of {len(columns)}"
        + (f" with {baseline}" if baseline else ""),
        alpha=alpha,
        queries=len(query_ids),
        results=results,
    )


def _differences(
    methods: Mapping[str, Mapping[str, Mapping[str, float]]],
    measure: str,
    a: str,
    b: str,
    query_ids: list[str],
) -> np.ndarray:
    left, right = methods[a][measure], methods[b][measure]
    for name, row in ((a, left), (b, right)):
        if sorted(row) != query_ids:
            odd = sorted(set(row) ^ set(query_ids))
            raise ValueError(
                f"paired methods must be measured on the same queries, got other ones "
                f"for {name!r} ({', '.join(odd[:3])}); give both the same query ids"
            )
    return np.array([left[q] - right[q] for q in query_ids])
