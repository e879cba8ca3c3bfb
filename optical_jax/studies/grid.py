"""A study as data: base configs x settings x seeds, and the runs that they come to."""

import dataclasses
import functools
import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optical_jax.config import Config
from optical_jax.retrieval import measures
from optical_jax.studies import overrides

# How a run is named where there is nothing to vary.
_ONLY = "student"


@dataclass(frozen=True, kw_only=True)
class Base:
    """A config to vary, usually of one language, and how its students are measured."""

    name: str
    config: Config
    # Folder of the collection; relative to the command's --collections.
    collection: str
    # Query sets, and for each the same questions in the documents' language, and a
    # development set to choose the weights of the fusion on, if there are such.
    queries: tuple[str, ...]
    topline_queries: tuple[str, ...] = ()
    tune_queries: tuple[str, ...] = ()
    # Weights of student and ibm1+bm25 where there is no development set; none: equal ones.
    fusion_weights: tuple[float, ...] = ()
    # Whether documents start with their titles.
    titles: bool = True

    def __post_init__(self) -> None:
        """Check that weights are given or chosen, not both."""
        if self.fusion_weights and self.tune_queries:
            raise ValueError(
                f"base {self.name!r}: fusion_weights are chosen on tune_queries, got both; "
                "leave one of them out"
            )


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Settings to try: label -> overrides of config fields by dotted path.

    A method is called by the labels of its settings, each after the axis's name, if it has
    one. Where every label is a number, the axis is drawn as a line.
    """

    settings: Mapping[str, Mapping[str, Any]]
    name: str = ""
    # Whether a straight line over the logarithm of the numbers is fitted.
    fit: bool = False

    def __post_init__(self) -> None:
        """Check that there is something to try."""
        if not self.settings:
            raise ValueError(f"axis {self.name!r} must have settings, got none")

    @property
    def numbers(self) -> dict[str, float] | None:
        """The labels as numbers; None if one is none, or not above 0."""
        try:
            found = {label: float(label) for label in self.settings}
        except ValueError:
            return None
        known = all(math.isfinite(x) and x > 0 for x in found.values())
        return found if known else None


def numeric(name: str, path: str, *values: float | int, fit: bool = False) -> Axis:
    """Return the axis of one field's numbers."""
    return Axis(name=name, settings={f"{v:g}": {path: v} for v in values}, fit=fit)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Every base with every combination of settings and every seed."""

    bases: tuple[Base, ...]
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True, kw_only=True)
class Study:
    """Grids that run one after the other; what several have in common runs once."""

    name: str
    grids: tuple[Grid, ...]
    # The method that the others are tested against; its fusion with ibm1+bm25 is
    # measured, too.
    reference: str
    # Shown in tables and figures, and tested; the record has more.
    measures: tuple[str, ...] = ("R@10", "RR@10")
    # Whether the students of a method's seeds are measured as one encoder, too: the mean of
    # their parameters, see `models.average`.
    averaged: bool = False

    def __post_init__(self) -> None:
        """Check that everything has a name of its own.

        Raises:
            ValueError: saying which name is unknown or given twice.
        """
        if not re.fullmatch(r"[\w.-]+", self.name):
            raise ValueError(
                f"name of a study names its files: letters, digits, '_.-'; got {self.name!r}"
            )
        unknown = sorted(set(self.measures) - set(measures.DEFAULT))
        if unknown or not self.measures:
            raise ValueError(
                f"measures must be some of {', '.join(measures.DEFAULT)}, got "
                f"{', '.join(unknown) or 'none'}"
            )
        bases: dict[str, Base] = {}
        for base in (base for grid in self.grids for base in grid.bases):
            if bases.setdefault(base.name, base) != base:
                raise ValueError(
                    f"bases need names that differ, got two that are {base.name!r}"
                )
        methods = list(dict.fromkeys(cell.method for cell in self.cells))
        if self.reference not in methods:
            raise ValueError(
                f"reference must be one of the methods {methods}, got {self.reference!r}"
            )

    @property
    def bases(self) -> list[Base]:
        """The bases of all grids, each once."""
        return list({b.name: b for grid in self.grids for b in grid.bases}.values())

    @functools.cached_property
    def cells(self) -> list["Cell"]:
        """Every entry of the study's tables, in the order of the grids.

        Raises:
            ValueError: if two different settings have the same name, or a setting is
                refused by the config.
        """
        found: dict[tuple[str, str, int], Cell] = {}
        for number, grid in enumerate(self.grids):
            for labels, base in itertools.product(_combinations(grid), grid.bases):
                method = _name(grid.axes, labels)
                changes = _merged(grid.axes, labels)
                for seed in grid.seeds:
                    config = overrides.apply(base.config, {**changes, "seed": seed})
                    cell = Cell(base, method, seed, config, {number: labels})
                    before = found.setdefault((base.name, method, seed), cell)
                    if _content(before.config) != _content(config):
                        raise ValueError(
                            f"method {method!r} of {base.name!r} has two different "
                            "settings in two grids; name one of them otherwise"
                        )
                    before.labels[number] = labels
        return list(found.values())


@dataclass(frozen=True)
class Cell:
    """A method with a seed on a base: an entry of the study's tables.

    `labels` has the labels of its settings in each grid that it is in.
    """

    base: Base
    method: str
    seed: int
    config: Config
    labels: dict[int, tuple[str, ...]]

    @property
    def name(self) -> str:
        """What --only matches: base/method/seed."""
        return f"{self.base.name}/{self.method}/{self.seed}"


@dataclass(frozen=True)
class Run:
    """A training run in a folder of its own; equal cells share it."""

    name: str
    base: Base
    config: Config
    # Whether its fusion with ibm1+bm25 is measured, too.
    fused: bool

    @property
    def folder(self) -> Path:
        """The run's workdir."""
        return Path(self.config.workdir)


@dataclass(frozen=True)
class Average:
    """The students of a method's seeds on a base as one encoder."""

    base: Base
    method: str
    runs: tuple[Run, ...]
    # Where its measures go.
    folder: Path

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return averaged_name(self.method)


def averaged_name(method: str) -> str:
    """Name the mean of a method's seeds."""
    return f"{method}, averaged"


def averages(study: Study, by_cell: Mapping[str, Run]) -> list[Average]:
    """Return what is averaged, in the study's order: every method that has several seeds.

    Args:
        study: the study.
        by_cell: its runs by the cells' names.
    """
    by_method: dict[tuple[str, str], list[Cell]] = {}
    for cell in study.cells if study.averaged else ():
        by_method.setdefault((cell.base.name, cell.method), []).append(cell)
    found = []
    for (_, method), cells in by_method.items():
        each = tuple(by_cell[cell.name] for cell in cells)
        if len(each) > 1:
            seeds = "-".join(str(cell.seed) for cell in cells)
            folder = each[0].folder.parent / f"averaged-{seeds}"
            found.append(Average(cells[0].base, method, each, folder))
    return found


def runs(study: Study, root: Path) -> dict[str, Run]:
    """Return the run of each cell, by the cell's name, in the study's order.

    Args:
        study: the study.
        root: the folder of all runs.
    """
    made: dict[str, Run] = {}
    found: dict[str, Run] = {}
    cells = study.cells
    fused = {
        f"{c.base.name} {_content(c.config)}"
        for c in cells
        if c.method == study.reference
    }
    for cell in cells:
        key = f"{cell.base.name} {_content(cell.config)}"
        if key not in made:
            folder = root / cell.base.name / _slug(cell.method) / f"seed-{cell.seed}"
            config = dataclasses.replace(
                cell.config, name=_slug(cell.name), workdir=str(folder)
            )
            made[key] = Run(cell.name, cell.base, config, key in fused)
        found[cell.name] = made[key]
    return found


def _combinations(grid: Grid) -> list[tuple[str, ...]]:
    return list(itertools.product(*(axis.settings for axis in grid.axes)))


def _name(axes: tuple[Axis, ...], labels: tuple[str, ...]) -> str:
    parts = (f"{a.name} {b}".strip() for a, b in zip(axes, labels, strict=True))
    return ", ".join(parts) or _ONLY


def _merged(axes: tuple[Axis, ...], labels: tuple[str, ...]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for axis, label in zip(axes, labels, strict=True):
        merged |= axis.settings[label]
    return merged


def _content(config: Config) -> str:
    """Return all that a run depends on, as text."""
    content = dataclasses.asdict(config)
    return json.dumps({**content, "name": "", "workdir": ""}, sort_keys=True)


def _slug(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", text)
