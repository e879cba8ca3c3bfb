"""A study's results as figures: methods by query set, and lines along numeric axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib import axes

from optical_jax import figures
from optical_jax.studies import bootstrap
from optical_jax.studies.bootstrap import Line
from optical_jax.studies.contrasts import Entry
from optical_jax.studies.grid import Axis, Grid
from optical_jax.studies.results import Results

_REFERENCE, _OTHER, _TRIED = "#D55E00", "#8a8a8a", "#0072B2"
_COLUMNS = 4
# Lines that a numeric axis is drawn against.
_LEVELS = ("ibm1+bm25", "topline")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A method along a numeric axis on a query set, with 95 % bounds over the queries."""

    query_set: str
    axis: str
    label: str
    measure: str
    x: list[float]
    y: list[float]
    low: list[float]
    high: list[float]
    fit: Line | None


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw every grid's methods and every numeric axis; return the files.

    Args:
        results: what is finished.
        folder: where NAME.MEASURE.png and the like are written.
    """
    study, written = results.study, []
    measure = study.measures[0]
    for number, grid in enumerate(study.grids, start=1):
        stem = study.name + (f".{number}" if len(study.grids) > 1 else "")
        if results.methods(grid):
            path = folder / f"{stem}.png"
            _draw_methods(results, grid, measure, path)
            written.append(path)
        found = curves(results, grid, measure)
        if found:
            path = folder / f"{stem}.{_file_name(found[0].axis)}.png"
            _draw_curves(results, found, path)
            written.append(path)
    return written


def curves(results: Results, grid: Grid, measure: str) -> list[Curve]:
    """Return the curves along a grid's numeric axis, none if it has none or several."""
    axis = _numeric(grid)
    if axis is None:
        return []
    place, index = grid.axes.index(axis), results.study.grids.index(grid)
    found: dict[tuple[str, str], dict[float, Entry]] = {}
    for cell in results.study.cells:
        if index not in cell.labels:
            continue
        labels = cell.labels[index]
        x = axis.numbers[labels[place]]
        others = ", ".join(text for i, text in enumerate(labels) if i != place)
        for query_set in cell.base.queries:
            entry = results.entries.get((query_set, cell.method))
            if entry is not None:
                found.setdefault((query_set, others), {})[x] = entry
    return [
        _curve(query_set, label, axis, measure, points)
        for (query_set, label), points in found.items()
        if len(points) > 1
    ]


def _numeric(grid: Grid) -> Axis | None:
    numeric = [axis for axis in grid.axes if axis.numbers and len(axis.settings) > 2]
    return numeric[0] if len(numeric) == 1 else None


def _curve(
    query_set: str,
    label: str,
    axis: Axis,
    measure: str,
    points: dict[float, Entry],
) -> Curve:
    x = np.array(sorted(points))
    values = _values([points[number] for number in x], measure)
    low, high = bootstrap.mean_intervals(values)
    return Curve(
        query_set=query_set,
        axis=axis.name,
        label=label,
        measure=measure,
        x=x.tolist(),
        y=values.mean(axis=0).tolist(),
        low=low.tolist(),
        high=high.tolist(),
        fit=bootstrap.line(x, values) if axis.fit else None,
    )


def _values(entries: Sequence[Entry], measure: str) -> np.ndarray:
    """Return [queries, entries] of entries on the same queries."""
    ids = sorted(entries[0].per_query[measure])
    return np.array([[e.per_query[measure][q] for e in entries] for q in ids])


def _draw_methods(results: Results, grid: Grid, measure: str, path: Path) -> None:
    """Draw a panel for each query set with a dot and its bounds for each method."""
    names, methods = results.query_sets(grid), results.methods(grid)[::-1]
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with matplotlib.rc_context(figures.STYLE):
        size = 2.2 + 2.6 * columns, (0.9 + 0.3 * len(methods)) * rows
        figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
        grid_of_panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for panel in grid_of_panels.flat[len(names) :]:
            panel.set_visible(False)
        for name, panel in zip(names, grid_of_panels.flat, strict=False):
            panel.set_title(name)
            panel.set_yticks(range(len(methods)), methods)
            panel.set_ylim(-0.6, len(methods) - 0.4)
            panel.grid(True, axis="x")
            panel.set_xlabel(measure)
            for place, method in enumerate(methods):
                entry = results.entries.get((name, method))
                if entry is not None:
                    _draw_dot(panel, place, entry, measure, _colour(results, method))
        figures.save(figure, path)


def _draw_dot(
    panel: axes.Axes, place: int, entry: Entry, measure: str, colour: str
) -> None:
    low, high = bootstrap.mean_intervals(_values([entry], measure))
    mean = entry.mean(measure)
    panel.plot([low[0], high[0]], [place, place], color=colour, linewidth=1.6)
    panel.plot([mean], [place], "o", color=colour, ms=5)
    if len(entry.measures) > 1:
        seeds = [found[measure] for found in entry.measures.values()]
        panel.plot(seeds, [place] * len(seeds), "|", color=colour, ms=8)


def _colour(results: Results, method: str) -> str:
    if method == results.study.reference:
        return _REFERENCE
    varied = {cell.method for cell in results.study.cells}
    return _TRIED if method in varied else _OTHER


def _draw_curves(results: Results, found: Sequence[Curve], path: Path) -> None:
    """Draw a panel for each query set, over a logarithmic axis."""
    names = list(dict.fromkeys(curve.query_set for curve in found))
    with matplotlib.rc_context(figures.STYLE):
        figure = matplotlib.figure.Figure(
            figsize=(1 + 4.2 * len(names), 3.6), layout="constrained"
        )
        panels = figure.subplots(1, len(names), squeeze=False)[0]
        for name, panel in zip(names, panels, strict=True):
            of_name = [curve for curve in found if curve.query_set == name]
            panel.set_title(name)
            panel.set_xscale("log")
            panel.set_xlabel(of_name[0].axis)
            panel.set_ylabel(of_name[0].measure)
            panel.grid(True)
            for colour, curve in zip(figures.COLOURS, of_name, strict=False):
                _draw_curve(panel, curve, colour)
            for method in _LEVELS:
                _draw_level(panel, results.entries.get((name, method)), of_name[0])
            panel.legend(fontsize=8)
        figures.save(figure, path)


def _draw_curve(panel: axes.Axes, curve: Curve, colour: str) -> None:
    label = curve.label or curve.measure
    panel.plot(curve.x, curve.y, marker="o", ms=4, color=colour, label=label)
    panel.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15, lw=0)
    if curve.fit is not None:
        fit, x = curve.fit, np.array(curve.x)
        panel.plot(
            x,
            fit.intercept + fit.slope * np.log10(x),
            ":",
            color=colour,
            label=f"{fit.slope:+.3f} [{fit.slope_low:+.3f}, {fit.slope_high:+.3f}] "
            "for ten times as much",
        )


def _draw_level(panel: axes.Axes, entry: Entry | None, curve: Curve) -> None:
    if entry is None:
        return
    level = entry.mean(curve.measure)
    panel.axhline(level, color=_OTHER, linestyle="--", linewidth=1)
    panel.annotate(
        entry.method, (curve.x[0], level), color=_OTHER, fontsize=8, va="bottom"
    )


def _file_name(axis: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in axis) or "axis"
