"""The files that a study leaves: its record, a page of tables, figures."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optical_jax.data import textfile
from optical_jax.retrieval import record
from optical_jax.studies import chart, results, table
from optical_jax.studies.grid import Run, Study
from optical_jax.studies.ledger import Ledger
from optical_jax.studies.results import Results


def write(
    found: Results,
    by_cell: Mapping[str, Run],
    ledger: Ledger,
    folder: Path,
    *,
    line: str,
) -> list[Path]:
    """Write the record, the page and the figures of what is finished.

    The record's schema is that of every file in results/, see `retrieval.record`; beside it
    are `runs`, what is said of each finished one, `missing`, how many are not finished, and
    `curves` along numeric axes.

    Args:
        found: what is finished.
        by_cell: the runs by the cells' names.
        ledger: what is known of them.
        folder: where NAME.json, NAME.md and the figures go.
        line: the command.

    Returns:
        The files.
    """
    study = found.study
    content = {
        **record.header(name=study.name, command=line, config=_described(study)),
        **_runs(study, by_cell, ledger),
        "rows": results.as_rows(found),
        "curves": [
            dataclasses.asdict(curve)
            for grid in study.grids
            for measure in study.measures
            for curve in chart.curves(found, grid, measure)
        ],
        "significance": {
            name: dataclasses.asdict(tests)
            for name, tests in found.significance.items()
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    textfile.write(folder / f"{study.name}.json", text)
    textfile.write(folder / f"{study.name}.md", table.page(found, content))
    figures = chart.draw(found, folder) if found.entries else []
    return [folder / f"{study.name}.json", folder / f"{study.name}.md", *figures]


def _runs(study: Study, by_cell: Mapping[str, Run], ledger: Ledger) -> dict[str, Any]:
    """Return what is said of each finished run, and the seconds of all."""
    told: dict[str, dict[str, Any]] = {}
    for one in by_cell.values():
        if one.name not in told and ledger.standing(one).state == "done":
            told[one.name] = ledger.summary(one)
    seconds = math.fsum(
        t["train_seconds"] + (t["evaluation_seconds"] or 0.0) for t in told.values()
    )
    cells = study.cells
    named = {c.name: told.get(by_cell[c.name].name) for c in cells}
    finished = {name: summary for name, summary in named.items() if summary}
    return {
        "seconds": round(seconds, 1),
        "missing": len(cells) - len(finished),
        "runs": finished,
    }


def _described(study: Study) -> dict[str, Any]:
    """Return the study without paths."""
    return {
        "reference": study.reference,
        "measures": list(study.measures),
        "grids": [
            {
                "bases": {
                    b.name: {
                        "config": b.config.name,
                        "steps": b.config.steps,
                        "queries": list(b.queries),
                    }
                    for b in grid.bases
                },
                "axes": [{"name": a.name, "settings": a.settings} for a in grid.axes],
                "seeds": list(grid.seeds),
            }
            for grid in study.grids
        ],
    }
