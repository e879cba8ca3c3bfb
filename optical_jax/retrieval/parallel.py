"""Language bias within an evaluation: each method over query sets that are parallel."""

from collections.abc import Mapping, Sequence

import numpy as np
import rich.box
import rich.table

from optical_jax.retrieval import bias, trec
from optical_jax.retrieval.bias import Bias
from optical_jax.retrieval.record import Row
from optical_jax.retrieval.tasks import Task

# What stands for a method where a query set is only the topline of others: its wording is
# in the documents' language already.
_LEXICAL = ("bm25", "ibm1+bm25")
_TOPLINES = {True: "bm25-topline", False: "topline"}


def groups(given: Sequence[str], tasks: Sequence[Task]) -> list[tuple[str, ...]]:
    """Read groups of query sets, each "en,mr,hi", and check them.

    Args:
        given: the groups.
        tasks: of the evaluation; toplines of theirs may be in a group, too.

    Raises:
        ValueError: if a query set is unknown, is not parallel to the others of its group,
            or stands alone.
    """
    qrels = _qrels(tasks)
    found = []
    for text in given:
        names = tuple(name.strip() for name in text.split(","))
        unknown = [name for name in names if name not in qrels]
        if unknown or len(set(names)) < 2:
            raise ValueError(
                f"parallel must name two or more of the query sets measured "
                f"({', '.join(qrels)}), divided by commas; got {text!r}"
            )
        for name in names[1:]:
            if qrels[name].keys() != qrels[names[0]].keys():
                raise ValueError(
                    "parallel query sets must have the same query ids, got other ones "
                    f"in {name!r} than in {names[0]!r}"
                )
        found.append(names)
    return found


def measure(
    rows: Sequence[Row],
    wanted: Sequence[tuple[str, ...]],
    tasks: Sequence[Task],
    *,
    depth: int = bias.DEPTH,
) -> dict[str, dict[str, Bias]]:
    """Return {group: {method: bias}} of every method that answered a whole group.

    A query set that is no task but the topline of one is answered by the topline: "topline"
    stands for the student there, "bm25-topline" for bm25.

    Args:
        rows: of the evaluation.
        wanted: see `groups`.
        tasks: of the evaluation.
        depth: documents of a ranking that count.
    """
    qrels = _qrels(tasks)
    plain = {(row.method, row.queries): row.run for row in rows}
    methods = dict.fromkeys(row.method for row in rows if row.query_set == row.queries)
    found: dict[str, dict[str, Bias]] = {}
    for names in wanted:
        by_method = found.setdefault(", ".join(names), {})
        for method in methods:
            runs = {name: _run(plain, method, name) for name in names}
            known = {name: run for name, run in runs.items() if run is not None}
            if len(known) == len(names):
                by_method[method] = bias.measure(known, qrels[names[0]], depth=depth)
    return found


def table(group: str, by_method: Mapping[str, Bias]) -> rich.table.Table:
    """Return methods x max rank distance, mean rank in each query set, RankC."""
    first = next(iter(by_method.values()))
    shown = rich.table.Table(
        title=f"language bias between {group}, {first.queries} queries each",
        caption=f"over the first {first.depth} documents; RankC: mean over the pairs of "
        "query sets",
        box=rich.box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
    )
    shown.add_column("method", no_wrap=True)
    ranks = [f"rank {name}" for name in first.ranks]
    for name in ("max rank distance", *ranks, "RankC", "RankC linear"):
        shown.add_column(name, justify="right")
    for method, found in by_method.items():
        consistency = [
            np.mean([getattr(pair, kind) for pair in found.consistency])
            for kind in ("softmax", "linear")
        ]
        shown.add_row(
            method,
            f"{found.max_rank_distance:.1f}",
            *(f"{rank:.1f}" for rank in found.ranks.values()),
            *(f"{value:.3f}" for value in consistency),
        )
    return shown


def _run(
    plain: Mapping[tuple[str, str], trec.Run], method: str, name: str
) -> trec.Run | None:
    topline = _TOPLINES[method in _LEXICAL]
    return plain.get((method, name), plain.get((topline, name)))


def _qrels(tasks: Sequence[Task]) -> dict[str, trec.Qrels]:
    found = {task.topline.queries: task.topline.qrels for task in tasks if task.topline}
    return {**found, **{task.queries: task.qrels for task in tasks}}
