"""A study with made-up measures: results without training."""

from pathlib import Path
from unittest import mock

import numpy as np

from optical_jax.config import Config
from optical_jax.studies import grid, results
from optical_jax.studies.bench import Measured
from optical_jax.studies.grid import Axis, Base, Grid, Study
from optical_jax.studies.ledger import Ledger

MEASURES = ("R@10", "RR@10")
BASES = tuple(
    Base(name=n, config=Config(name=n), collection="c", queries=(f"{n}-test",))
    for n in ("kin", "ibo")
)
EPSILON = grid.numeric(
    "epsilon", "objective.transport.epsilon", 0.02, 0.1, 0.5, fit=True
)
# Success of each method, by label; a query is the same question for all.
LEVELS = {
    "transport": 0.8,
    "greedy": 0.5,
    "epsilon 0.02": 0.75,
    "epsilon 0.1": 0.8,
    "epsilon 0.5": 0.4,
    "bm25": 0.3,
    "ibm1+bm25": 0.6,
    "topline": 0.9,
    "fusion": 0.85,
}


def study(*, seeds=(0, 1)):
    """Two objectives in two languages, then epsilon in one."""
    objectives = Axis(settings={"transport": {}, "greedy": {"steps": 1001}})
    return Study(
        name="made-up",
        grids=(
            Grid(bases=BASES, axes=(objectives,), seeds=seeds),
            Grid(bases=BASES[:1], axes=(EPSILON,), seeds=seeds[:1]),
        ),
        reference="transport",
        measures=MEASURES,
    )


def row(base, method, *, seed=0, queries=60, prefix="q"):
    """A row as an evaluation leaves it; method is also what success depends on."""
    rng = np.random.default_rng((seed, 7))
    hard = np.random.default_rng(3).random(queries)
    hits = (hard + 0.1 * rng.standard_normal(queries) < LEVELS[method]).astype(float)
    per_query = {
        "R@10": {f"{prefix}{i}": float(hit) for i, hit in enumerate(hits)},
        "RR@10": {f"{prefix}{i}": float(hit) / 2 for i, hit in enumerate(hits)},
    }
    name = "student" if method in ("transport", "greedy") or " " in method else method
    return {
        "collection": "c",
        "query_set": f"{base}-test",
        "queries": f"{base}-test",
        "method": name,
        "measures": {m: float(np.mean(list(v.values()))) for m, v in per_query.items()},
        "per_query": per_query,
        "details": {},
    }


def collected(made=None, *, missing=(), queries=60, average=lambda one: None):
    """Results of the made-up study; runs whose names are missing are not finished.

    `average` gives what was measured of a mean of runs.
    """
    made = made or study()
    cells = {cell.name: cell for cell in made.cells}

    def measured(run):
        if run.name in missing:
            return None
        cell = cells[run.name]
        rows = [row(cell.base.name, cell.method, seed=cell.seed, queries=queries)]
        if run.fused:
            rows.append(row(cell.base.name, "fusion", seed=cell.seed, queries=queries))
        return Measured(asked={}, rows=rows, seconds=1.0)

    def baselines(base):
        tried = ("bm25", "ibm1+bm25", "topline")
        rows = [row(base.name, method, queries=queries) for method in tried]
        return Measured(asked={}, rows=rows, seconds=1.0)

    ledger = mock.create_autospec(Ledger, instance=True)
    ledger.measured.side_effect = measured
    ledger.baselines.side_effect = baselines
    ledger.average.side_effect = average
    return results.collect(made, grid.runs(made, Path("runs")), ledger, samples=2000)
