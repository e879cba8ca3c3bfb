"""The figures of a report: training curves, measures by method; and their style."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.figure
import numpy as np
from matplotlib import axes, ticker

from optical_jax.data import staging

# Okabe and Ito's colours, told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_METHOD_COLOURS = {
    # References are grey, what is trained or tried has a colour.
    "bm25": "#b5b5b5",
    "bm25-topline": "#7d7d7d",
    "zero-shot": "#E69F00",
    "student": "#0072B2",
    "topline": "#2b2b2b",
}
STYLE = {
    "font.size": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
}
# Longer curves are drawn pale, with a running mean over them.
_SMOOTHED_FROM = 12


# {measure: (steps, values)} of one run.
Series = dict[str, tuple[list[int], list[float]]]


def draw_curves(runs: Mapping[str, Series], path: Path) -> None:
    """Draw loss, validation and speed of each run, a row of panels for each.

    Args:
        runs: title of a run to its metrics by step.
        path: the PNG file to write.

    Raises:
        ValueError: where there is no run.
    """
    if not runs:
        raise ValueError("runs must hold at least one training run, got none")
    with matplotlib.rc_context(STYLE):
        figure = matplotlib.figure.Figure(
            figsize=(11, 3 * len(runs)), layout="constrained"
        )
        grid = figure.subplots(len(runs), 3, squeeze=False)
        for row, (title, series) in zip(grid, runs.items(), strict=True):
            _draw_run(row, title, series)
        save(figure, path)


def _draw_run(row: np.ndarray, title: str, series: Series) -> None:
    """Fill the three panels of a run."""
    validation = {
        name.removeprefix("validation/"): values
        for name, values in series.items()
        if name.startswith("validation/") and max(values[1]) <= 1 and "loss" not in name
    }
    panels = (
        (f"{title}: loss", {k: v for k, v in series.items() if k == "loss"}),
        ("held-out retrieval", validation),
        (
            "pairs per second",
            {k: v for k, v in series.items() if k == "pairs_per_second"},
        ),
    )
    for panel, (heading, lines) in zip(row, panels, strict=True):
        panel.set_title(heading)
        panel.set_xlabel("step")
        panel.grid(True)
        panel.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
        if not lines:
            panel.text(0.5, 0.5, "not recorded", transform=panel.transAxes, ha="center")
        for (name, (steps, values)), colour in zip(
            lines.items(), COLOURS * (1 + len(lines) // len(COLOURS)), strict=False
        ):
            if len(steps) < _SMOOTHED_FROM:
                panel.plot(steps, values, color=colour, label=name, marker="o", ms=3)
                continue
            panel.plot(steps, values, color=colour, alpha=0.3, linewidth=1)
            panel.plot(steps, _smooth(values), color=colour, label=name)
        if len(lines) > 1:
            panel.legend(loc="best", fontsize=9)
    row[1].set_ylim(0, 1.03)
    row[2].set_ylim(bottom=0)


def _smooth(values: Sequence[float]) -> np.ndarray:
    """Average every value with its neighbours, a sixteenth of all to each side."""
    reach = max(1, len(values) // 16)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low, high = (
        np.maximum(places - reach, 0),
        np.minimum(places + reach + 1, len(values)),
    )
    return (sums[high] - sums[low]) / (high - low)


def draw_measures(
    rows: Sequence[Mapping[str, object]], measures: Sequence[str], path: Path
) -> None:
    """Draw a group of bars for each measure and a bar for each method.

    Args:
        rows: {"method", "queries", "seed", "measures": {...}} each; the seeds of one method
            become one bar with its spread.
        measures: which to draw.
        path: the PNG file to write.
    """
    bars = group_rows(rows)
    with matplotlib.rc_context(STYLE):
        width = max(6.0, 0.29 * len(measures) * (len(bars) + 1) + 1)
        figure = matplotlib.figure.Figure(figsize=(width, 3.8), layout="constrained")
        panel = figure.subplots()
        for place, (label, found) in enumerate(bars.items()):
            _draw_method(panel, place, label, found, measures, count=len(bars))
        panel.set_xticks(range(len(measures)), measures)
        panel.set_ylim(0, 1.12)
        panel.set_yticks(np.arange(0, 1.1, 0.2))
        panel.set_xlim(-0.6, len(measures) - 0.4)
        panel.grid(True, axis="y")
        panel.tick_params(axis="x", length=0)
        figure.legend(loc="outside upper center", ncols=min(len(bars), 5))
        save(figure, path)


def group_rows(
    rows: Sequence[Mapping[str, object]],
) -> dict[str, list[dict[str, float]]]:
    """Group the measures of several seeds by method, told apart by queries if need be.

    Raises:
        ValueError: where there is no row.
    """
    if not rows:
        raise ValueError("results must have at least one row, got none")
    queries: dict[object, set[object]] = {}
    for row in rows:
        queries.setdefault(row["method"], set()).add(row["queries"])
    grouped: dict[str, list[dict[str, float]]] = {}
    for row in rows:
        several = len(queries[row["method"]]) > 1
        label = f"{row['method']} ({row['queries']})" if several else str(row["method"])
        grouped.setdefault(label, []).append(dict(row["measures"]))
    return grouped


def _draw_method(
    panel: axes.Axes,
    place: int,
    label: str,
    found: list[dict[str, float]],
    measures: Sequence[str],
    *,
    count: int,
) -> None:
    """Draw the bars of one method, one in each group, with their values."""
    values = np.array([[run.get(name, np.nan) for name in measures] for run in found])
    means, spread = values.mean(axis=0), values.std(axis=0)
    width = 0.84 / count
    centres = np.arange(len(measures)) + (place - (count - 1) / 2) * width
    panel.bar(
        centres,
        means,
        width * 0.92,
        yerr=spread if len(found) > 1 else None,
        color=_METHOD_COLOURS.get(label.split(" (")[0], COLOURS[place % len(COLOURS)]),
        label=label,
        capsize=2,
    )
    for x, mean, error in zip(centres, means, spread, strict=True):
        if np.isfinite(mean):
            text = f"{mean:.2f}".removeprefix("0")
            panel.text(x, mean + error + 0.015, text, ha="center", fontsize=8)


def save(figure: matplotlib.figure.Figure, path: Path) -> None:
    """Write a PNG file that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with staging.file(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")
