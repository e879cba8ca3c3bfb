"""What a study found: measures by method and query set, and which methods differ."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optical_jax.retrieval import methods
from optical_jax.retrieval.significance import Comparison, Comparisons
from optical_jax.studies import contrasts
from optical_jax.studies import grid as grid_lib
from optical_jax.studies.contrasts import Entry
from optical_jax.studies.grid import Grid, Run, Study
from optical_jax.studies.ledger import Ledger

# Baselines and references stand around what the study varies.
_BEFORE = ("bm25", methods.IBM1, "zero-shot")
_AFTER = ("fusion", "fusion-rrf", "bm25-topline", "topline")


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that is finished of a study.

    Attributes:
        study: the study.
        entries: {(query set, method): entry}, baselines first.
        significance: the methods against the reference: by query set; and by
            `mean_name` of the grids' query sets, which all weigh the same.
    """

    study: Study
    entries: dict[tuple[str, str], Entry]
    significance: dict[str, Comparisons]

    def methods(self, grid: Grid) -> list[str]:
        """Return the methods of a grid's table that have a result, in reading order."""
        names = self.query_sets(grid)
        found = dict.fromkeys(m for (q, m) in self.entries if q in names)
        cells = self.study.cells
        index = self.study.grids.index(grid)
        varied = dict.fromkeys(c.method for c in cells if index in c.labels)
        tried = [
            name
            for method in (self.study.reference, *varied)
            for name in (method, grid_lib.averaged_name(method))
        ]
        wanted = [*_BEFORE, *tried, *_AFTER]
        return [m for m in dict.fromkeys(wanted) if m in found]

    def query_sets(self, grid: Grid) -> list[str]:
        """Return the query sets of a grid's bases on which a student was measured.

        Where there is none yet, those on which the baselines were.
        """
        tried = {cell.method for cell in self.study.cells}
        names = dict.fromkeys(q for base in grid.bases for q in base.queries)
        students = {q for q, method in self.entries if q in names and method in tried}
        measured = students or {q for q, _ in self.entries}
        return [name for name in names if name in measured]

    def mean_name(self, grid: Grid) -> str:
        """Name the mean over a grid's query sets."""
        return "mean of " + ", ".join(self.query_sets(grid))

    def compared(self, name: str, method: str, measure: str) -> Comparison | None:
        """Return the test of a method against the reference, on a query set or mean."""
        for one in self.significance[name].results if name in self.significance else ():
            if one.measure == measure and method in (one.a, one.b):
                return one
        return None


def collect(
    study: Study,
    runs: Mapping[str, Run],
    ledger: Ledger,
    *,
    samples: int = 100_000,
) -> Results:
    """Gather what is finished, and test it.

    Args:
        study: the study.
        runs: its runs by the cells' names.
        ledger: what was measured of them.
        samples: sign assignments of the permutation tests.
    """
    rows: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for base in study.bases:
        found = ledger.baselines(base)
        for row in found.rows if found else ():
            rows.setdefault((row["query_set"], row["method"]), {})[0] = row
    for cell in study.cells:
        found = ledger.measured(runs[cell.name])
        for row in found.rows if found else ():
            name = cell.method if row["method"] == methods.STUDENT else row["method"]
            if name == cell.method or cell.method == study.reference:
                rows.setdefault((row["query_set"], name), {})[cell.seed] = row
    for one in grid_lib.averages(study, runs):
        found = ledger.average(one)
        for row in found.rows if found else ():
            rows[row["query_set"], one.name] = {0: row}
    entries = {
        key: _entry(key[1], by_seed, study.measures) for key, by_seed in rows.items()
    }
    results = Results(study=study, entries=entries, significance={})
    tests = contrasts.by_query_set(
        entries, study.reference, study.measures, samples=samples
    )
    # Grids with the same query sets share a mean: their methods are one family.
    families: dict[str, tuple[list[str], list[str]]] = {}
    for grid in study.grids:
        known = families.setdefault(
            results.mean_name(grid), (results.query_sets(grid), [])
        )
        known[1].extend(results.methods(grid))
    for name, (query_sets, tried) in families.items():
        found = contrasts.of_means(
            entries,
            query_sets,
            list(dict.fromkeys(tried)),
            study.reference,
            study.measures,
            samples=samples,
        )
        if found is not None:
            tests[name] = found
    return dataclasses.replace(results, significance=tests)


def as_rows(results: Results) -> list[dict[str, Any]]:
    """Return the rows of a results file: one for each query set, method and seed."""
    return [
        {
            "collection": entry.collection,
            "queries": entry.queries,
            "method": entry.method,
            "seed": seed,
            "measures": found,
        }
        for entry in results.entries.values()
        for seed, found in sorted(entry.measures.items())
    ]


def _entry(
    method: str, by_seed: Mapping[int, Mapping[str, Any]], compared: Sequence[str]
) -> Entry:
    rows = list(by_seed.values())
    first = rows[0]
    per_query = {
        measure: {
            query_id: float(
                np.mean([row["per_query"][measure][query_id] for row in rows])
            )
            for query_id in first["per_query"][measure]
        }
        for measure in compared
    }
    return Entry(
        collection=first["collection"],
        query_set=first["query_set"],
        queries=first["queries"],
        method=method,
        measures={seed: row["measures"] for seed, row in by_seed.items()},
        per_query=per_query,
    )
