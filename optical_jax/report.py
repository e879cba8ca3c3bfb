"""Write the report of a run: figures as PNG files and one page that shows them.

The page holds its figures within itself, so that it can be sent as one file.
"""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optical_jax import figures, heatmap
from optical_jax.data import textfile

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.55 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem; }}
h1 {{ font-size: 1.7rem; line-height: 1.25; margin-bottom: .3rem; }}
h2 {{ font-size: 1.2rem; margin: 2.4rem 0 .6rem; }}
p.lead, figcaption, caption {{ color: #555; }}
figure {{ margin: 0; }}
figure img {{ max-width: 100%; height: auto; }}
.wide {{ overflow-x: auto; }}
figcaption, caption {{ font-size: .92rem; text-align: left; caption-side: bottom; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .35rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }}
th {{ border-bottom: 2px solid #888; font-weight: 600; }}
th.text, td.text {{ text-align: left; }}
code {{ background: #f3f3f3; padding: .1rem .3rem; border-radius: .2rem;
  overflow-wrap: anywhere; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{sections}
</body>
</html>
"""


def write_report(
    folder: Path,
    *,
    title: str,
    lead: str = "",
    results: Path | None = None,
    runs: Mapping[str, Path] | None = None,
    plans: Sequence[heatmap.SentencePlan] = (),
) -> Path:
    """Write `index.html` and the PNG files that it shows into a folder.

    Args:
        folder: where to write; made if need be.
        title: heading of the page.
        lead: a paragraph below it.
        results: JSON file {"command", "date", ..., "rows": [{"collection", "queries",
            "method", "seed", "measures": {"R@10": ...}}]}.
        runs: title of a training run to its metrics file, one JSON object a line.
        plans: transport plans of sentence pairs.

    Returns:
        The path of the page.

    Raises:
        ValueError: where there is nothing to report, or a file has another form.
    """
    if results is None and not runs and not plans:
        raise ValueError("a report needs results, runs or plans, got none of them")
    folder.mkdir(parents=True, exist_ok=True)
    sections = []
    if results is not None:
        sections += _results_sections(folder, results)
    if runs:
        series = {name: read_metrics(path) for name, path in runs.items()}
        figures.draw_curves(series, folder / "curves.png")
        sections.append(
            _figure("Training", folder / "curves.png", "Every run by step.")
        )
    for number, pair in enumerate(plans, start=1):
        path = folder / ("plan.png" if len(plans) == 1 else f"plan-{number}.png")
        heatmap.draw_plan(pair, path)
        sections.append(_figure("Transport plan", path, _plan_caption(pair)))
    page = _PAGE.format(
        title=html.escape(title),
        lead=html.escape(lead),
        sections="\n".join(sections),
    )
    textfile.write(folder / "index.html", page)
    return folder / "index.html"


def read_metrics(path: Path) -> figures.Series:
    """Read a metrics file, one JSON object a line, as {measure: (steps, values)}.

    Raises:
        ValueError: where a line is no object with a step.
    """
    series: figures.Series = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            step = record.pop("step")
        except (json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f'{path}, line {number}: must be an object with "step", got {line!r}'
            ) from error
        for name, value in record.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                steps, values = series.setdefault(name, ([], []))
                steps.append(step)
                values.append(value)
    return series


def _results_sections(folder: Path, path: Path) -> list[str]:
    """Make the table and the bars of a results file, for each collection."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        rows = results["rows"]
        collections = dict.fromkeys(row["collection"] for row in rows)
        names = list(dict.fromkeys(name for row in rows for name in row["measures"]))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path} must hold {{"rows": [{{"collection", "queries", "method", "seed", '
            f'"measures"}}]}}: {error!r}'
        ) from error
    sections = []
    for number, collection in enumerate(collections, start=1):
        chosen = [row for row in rows if row["collection"] == collection]
        image = folder / (
            "measures.png" if len(collections) == 1 else f"measures-{number}.png"
        )
        figures.draw_measures(chosen, names, image)
        heading = "Measures" if len(collections) == 1 else f"Measures: {collection}"
        sections.append(f"<h2>{html.escape(heading)}</h2>\n{_table(chosen, names)}")
        sections.append(_figure("", image, _provenance(results)))
    return sections


def _table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Make a table of methods by measures, means over seeds."""
    found = figures.group_rows(rows)
    queries = {
        label: row["queries"]
        for row in rows
        for label in found
        if label == row["method"] or label == f"{row['method']} ({row['queries']})"
    }
    means = {
        label: [np.mean([run.get(name, np.nan) for run in runs]) for name in names]
        for label, runs in found.items()
    }
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = [
        '<div class="wide"><table>',
        f'<tr><th class="text">method</th><th class="text">queries</th>{head}</tr>',
    ]
    for label, values in means.items():
        cells = "".join(
            f"<td>{value:.3f}</td>" if np.isfinite(value) else "<td>–</td>"
            for value in values
        )
        seeds = len(found[label])
        shown = f"{label}, mean of {seeds} seeds" if seeds > 1 else label
        lines.append(
            f'<tr><td class="text">{html.escape(shown)}</td>'
            f'<td class="text">{html.escape(str(queries[label]))}</td>{cells}</tr>'
        )
    return "\n".join([*lines, "</table></div>"])


def _figure(heading: str, path: Path, caption: str) -> str:
    """Show a PNG file, held within the page, with a caption that is HTML already."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    title = f"<h2>{html.escape(heading)}</h2>\n" if heading else ""
    return (
        f'{title}<figure><div class="wide"><img alt="{html.escape(heading or path.stem)}" '
        f'src="data:image/png;base64,{data}"></div>\n'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _plan_caption(pair: heatmap.SentencePlan) -> str:
    """Say which sentences a plan moves onto each other."""
    sentences = (
        f" Student: “{pair.student_text}” Teacher: “{pair.teacher_text}”"
        if pair.student_text
        else ""
    )
    return html.escape(
        "How the mass of each student token (rows) is moved onto the teacher's tokens "
        f"(columns), in per cent where at least 20.{sentences}"
    )


def _provenance(results: Mapping[str, Any]) -> str:
    """Say how the numbers were made, as far as the file says it."""
    known = {
        name: results[name]
        for name in ("command", "commit", "date", "machine")
        if results.get(name)
    }
    said = [
        f"{html.escape(k)} <code>{html.escape(str(v))}</code>" for k, v in known.items()
    ]
    if results.get("seconds"):
        said.append(f"{float(results['seconds']):.0f} s")
    return ", ".join(said)
