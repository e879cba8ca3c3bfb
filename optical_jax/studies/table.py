"""A study's results as a page of Markdown: methods by languages, for each grid."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optical_jax.studies.grid import Grid
from optical_jax.studies.results import Results

_BETTER, _WORSE = " ▲", " ▼"


def page(results: Results, record: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        results: what is finished.
        record: the results file; its command, date, machine and commit are named.
    """
    parts = [
        f"# {results.study.name}",
        f"`{record['command']}`, {record['date'][:10]}, commit {record['commit']}, "
        f"{record['machine']}.",
        _legend(results),
    ]
    for number, grid in enumerate(results.study.grids, start=1):
        if not results.query_sets(grid):
            continue
        for measure in results.study.measures:
            heading = f"## {measure}"
            if len(results.study.grids) > 1:
                heading += f", grid {number}"
            parts += [heading, table(results, grid, measure)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(results: Results, grid: Grid, measure: str) -> str:
    """Return the table of a grid: methods by query sets, and the mean over these.

    A cell has the mean over the seeds, the standard deviation over them where there are
    several, and a mark where the method differs from the reference.
    """
    names = results.query_sets(grid)
    header = ["method", *names, *(["mean"] if len(names) > 1 else [])]
    rows = []
    for method in results.methods(grid):
        cells = [_cell(results, name, method, measure) for name in names]
        if len(names) > 1:
            cells.append(_mean(results, grid, names, method, measure))
        label = f"**{method}**" if method == results.study.reference else method
        rows.append([label, *cells])
    aligned = ["---", *("--:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, aligned, *rows])


def _cell(results: Results, query_set: str, method: str, measure: str) -> str:
    entry = results.entries.get((query_set, method))
    if entry is None:
        return ""
    spread = entry.spread(measure)
    text = _number(entry.mean(measure))
    if spread is not None:
        text += f" ± {_number(spread)}"
    return text + _mark(results, query_set, method, measure)


def _mean(
    results: Results, grid: Grid, names: Sequence[str], method: str, measure: str
) -> str:
    entries = [results.entries.get((name, method)) for name in names]
    if any(entry is None for entry in entries):
        return ""
    mean = float(np.mean([entry.mean(measure) for entry in entries]))
    return _number(mean) + _mark(results, results.mean_name(grid), method, measure)


def _mark(results: Results, name: str, method: str, measure: str) -> str:
    found = results.compared(name, method, measure)
    if found is None or not found.significant or method == results.study.reference:
        return ""
    # The difference is that of a - b.
    above = found.difference if found.a == method else -found.difference
    return _BETTER if above > 0 else _WORSE


def _number(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _legend(results: Results) -> str:
    tests = list(results.significance.values())
    if not tests:
        return ""
    return (
        f"▲ better, ▼ worse than {results.study.reference} at {tests[0].alpha}: paired "
        "two-sided permutation tests of the measures by query, averaged over seeds; "
        f"Holm over all methods and measures of a column ({tests[0].correction}). "
        "± is the standard deviation over seeds."
    )
