"""A study's methods over their seeds, tested against one of them.

The tests are paired by query, on measures averaged over the seeds: they tell whether a
method is better on such questions, given its seeds, not whether one more seed would be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from optical_jax.retrieval import significance
from optical_jax.retrieval.significance import Comparison, Comparisons

PerQuery = dict[str, dict[str, float]]
_ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A method on a query set, over its seeds.

    Attributes:
        collection: name of the collection.
        query_set: what is asked.
        queries: whose words the method was given: another set's for toplines.
        method: its name.
        measures: seed -> measure -> mean over the queries.
        per_query: measure -> query_id -> mean over the seeds.
    """

    collection: str
    query_set: str
    queries: str
    method: str
    measures: dict[int, dict[str, float]]
    per_query: PerQuery

    def mean(self, measure: str) -> float:
        """Return the mean over seeds and queries."""
        return float(np.mean([found[measure] for found in self.measures.values()]))

    def spread(self, measure: str) -> float | None:
        """Return the standard deviation over the seeds; None for a single one."""
        values = [found[measure] for found in self.measures.values()]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None


Entries = Mapping[tuple[str, str], Entry]


def by_query_set(
    entries: Entries, reference: str, measures: Sequence[str], *, samples: int
) -> dict[str, Comparisons]:
    """Test every method against the reference on each query set, a family each.

    Args:
        entries: {(query set, method): entry}.
        reference: a method; query sets that it has no entry of are left out.
        measures: which.
        samples: sign assignments.
    """
    tests: dict[str, Comparisons] = {}
    for query_set in dict.fromkeys(q for q, _ in entries):
        if (query_set, reference) not in entries:
            continue
        ids = _ids(entries[query_set, reference])
        tests[query_set] = significance.compare(
            {
                entry.method: {name: entry.per_query[name] for name in measures}
                for (q, _), entry in entries.items()
                # The tests are paired: a topline of other query ids has none.
                if q == query_set and _ids(entry) == ids
            },
            baseline=reference,
            samples=samples,
            alpha=_ALPHA,
        )
    return tests


def of_means(
    entries: Entries,
    query_sets: Sequence[str],
    methods: Sequence[str],
    reference: str,
    measures: Sequence[str],
    *,
    samples: int,
) -> Comparisons | None:
    """Test the means over query sets, each of which weighs the same.

    The statistic is the mean over query sets of the mean difference; signs are flipped
    for every query on its own.

    Args:
        entries: {(query set, method): entry}.
        query_sets: two or more, else there is nothing to test.
        methods: those that have paired entries on all of them are tested.
        reference: the method they are tested against.
        measures: which.
        samples: sign assignments.
    """
    paired = [m for m in methods if _is_paired(entries, query_sets, m, reference)]
    columns = [(measure, m) for measure in measures for m in paired if m != reference]
    if len(query_sets) < 2 or not columns:
        return None
    matrix = np.stack(
        [
            np.concatenate(
                [
                    _shares(entries[q, m], entries[q, reference], measure)
                    for q in query_sets
                ]
            )
            / len(query_sets)
            for measure, m in columns
        ],
        axis=1,
    )
    p_values = significance.permutation_test(matrix, samples=samples)
    adjusted = significance.holm(p_values)
    exact = significance.is_exact(len(matrix), samples)
    return Comparisons(
        test="paired two-sided permutation test of the mean over query sets "
        f"(sign flips, {'exact' if exact else 'sampled'})",
        samples=2 ** len(matrix) if exact else samples,
        seed=0,
        correction=f"Holm, family of {len(columns)} with {reference}",
        alpha=_ALPHA,
        queries=len(matrix),
        results=[
            Comparison(
                measure=measure,
                a=method,
                b=reference,
                difference=float(matrix[:, i].sum()),
                p_value=float(p_values[i]),
                p_adjusted=float(adjusted[i]),
                significant=bool(adjusted[i] <= _ALPHA),
            )
            for i, (measure, method) in enumerate(columns)
        ],
    )


def _is_paired(
    entries: Entries, query_sets: Sequence[str], method: str, reference: str
) -> bool:
    return all(
        (q, method) in entries
        and (q, reference) in entries
        and _ids(entries[q, method]) == _ids(entries[q, reference])
        for q in query_sets
    )


def _shares(a: Entry, b: Entry, measure: str) -> Float[np.ndarray, " q"]:
    """Return each query's part of the mean difference a - b."""
    left, right = a.per_query[measure], b.per_query[measure]
    return np.array([left[q] - right[q] for q in sorted(left)]) / len(left)


def _ids(entry: Entry) -> set[str]:
    return set(next(iter(entry.per_query.values())))
