"""Measure methods on tasks, and test which of them differ."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from optical_jax.retrieval import measures, record, significance, trec
from optical_jax.retrieval import methods as method_lib
from optical_jax.retrieval import tasks as task_lib
from optical_jax.retrieval.fusion import FusionConfig
from optical_jax.retrieval.methods import STUDENT, Method
from optical_jax.retrieval.tasks import Task, Unjudged

# Every two of more methods make a family of tests in which little is significant: 6 have
# 15 pairs, 10 have 45, on each measure.
ALL_PAIRS_UP_TO = 6
EVERY_PAIR = "all"


def measure(
    methods: Sequence[Method],
    tasks: Sequence[Task],
    *,
    collection: str,
    baseline: str | None = None,
    samples: int = 100_000,
    seed: int = 0,
) -> record.Evaluation:
    """Run and measure every method on every task.

    Args:
        methods: of different names.
        tasks: of different query sets.
        collection: its name, for the record.
        baseline: the method that the others are compared with; "all": every two are; None:
            every two of at most 6, and more with the student where there is one.
        samples: sign assignments of the permutation tests.
        seed: recorded with every row.

    Raises:
        ValueError: if two names are the same, or the baseline is no method that is
            measured on the same queries as the others.
    """
    began = time.monotonic()
    _check_names([method.name for method in methods], baseline)
    # The tests are paired: other query ids leave a method out.
    paired = {
        task.queries: [
            method.name
            for method in methods
            if task.worded(method.given).qrels.keys() == task.qrels.keys()
        ]
        for task in tasks
    }
    for query_set, names in paired.items():
        if baseline not in (None, EVERY_PAIR, *names):
            raise ValueError(
                f"baseline {baseline!r} must have the query ids of {query_set!r} to be "
                "compared query by query, got others"
            )
    found, compared = rows(methods, tasks, collection=collection, seed=seed), {}
    for task in tasks:
        names = paired[task.queries]
        compared[task.queries] = significance.compare(
            {
                row.method: row.per_query
                for row in found
                if row.query_set == task.queries and row.method in names
            },
            baseline=_baseline(baseline, names),
            samples=samples,
        )
    seconds = time.monotonic() - began
    return record.Evaluation(rows=found, significance=compared, seconds=seconds)


def rows(
    methods: Sequence[Method], tasks: Sequence[Task], *, collection: str, seed: int = 0
) -> list[record.Row]:
    """Run and measure every method on every task, without tests; see `measure`."""
    return [_row(m, task, collection, seed) for task in tasks for m in methods]


def compare_runs(
    qrels: Path,
    runs: Mapping[str, trec.Run],
    *,
    unjudged: Unjudged = "error",
    depth: int = 1000,
    fuse: Sequence[str] = (),
    fusion: FusionConfig | None = None,
    baseline: str | None = None,
    samples: int = 100_000,
    seed: int = 0,
) -> record.Evaluation:
    """Measure runs, and fusions of them, by a judgments file alone.

    Args:
        qrels: the judgments file; its name stands for the collection.
        runs: of any systems, by name.
        unjudged: whether queries without a relevant document are an error or left out.
        depth: documents of a fused run.
        fuse: names of runs to fuse.
        fusion: how.
        baseline: as in `measure`, like the rest.
        samples: sign assignments of the permutation tests.
        seed: recorded with every row.

    Raises:
        ValueError: if the file, the names or the runs do not fit.
    """
    task = task_lib.of_qrels(qrels, unjudged=unjudged)
    found = method_lib.of_runs(runs, unjudged=unjudged)
    return measure(
        method_lib.with_fusion(found, fuse, tasks=[task], config=fusion, depth=depth),
        [task],
        collection=task.queries,
        baseline=baseline,
        samples=samples,
        seed=seed,
    )


def _row(method: Method, task: Task, collection: str, seed: int) -> record.Row:
    worded = task.worded(method.given)
    run = method.search(worded)
    return record.Row(
        collection=collection,
        query_set=task.queries,
        queries=worded.queries,
        method=method.name,
        seed=seed,
        run=run,
        per_query=measures.per_query(run, worded.qrels),
        details=method.details(task),
    )


def _check_names(names: list[str], baseline: str | None) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ValueError(
            f"methods need names that differ, at least one; got {', '.join(names) or 0}"
            " (a run file is named by its own name, without the extension)"
        )
    if baseline not in (None, EVERY_PAIR, *names):
        raise ValueError(
            f"baseline must be one of {', '.join([EVERY_PAIR, *names])}, got {baseline!r}"
        )


def _baseline(baseline: str | None, names: list[str]) -> str | None:
    if baseline is None and len(names) > ALL_PAIRS_UP_TO and STUDENT in names:
        return STUDENT
    return None if baseline == EVERY_PAIR else baseline
