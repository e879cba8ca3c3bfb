"""What an evaluation leaves behind: one JSON record, run files, per-query measures, table.

The record's schema is that of every file in results/: {name, command, config, commit,
date, machine, seconds, rows: [{collection, queries, method, seed, measures}],
significance}; where methods have some, {details: {query set: {method: ...}}}; and of
parallel query sets, {bias: {group: {method: ...}}}.
"""

import csv
import dataclasses
import datetime
import io
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import rich.box
import rich.table

from optical_jax.data import textfile
from optical_jax.retrieval import measures, significance, trec
from optical_jax.retrieval.bias import Bias


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method on one query set."""

    collection: str
    # The query set asked about, and the one whose text was searched with: they differ
    # for methods that are given a translation.
    query_set: str
    queries: str
    method: str
    seed: int
    run: trec.Run
    per_query: dict[str, dict[str, float]]
    # What the method chose or used: weights of a fusion, size of a bitext.
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def measures(self) -> dict[str, float]:
        """Means over the queries."""
        return measures.mean(self.per_query)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All methods on all query sets, and what tells the methods apart."""

    rows: list[Row]
    # By query set, on every measure.
    significance: dict[str, significance.Comparisons]
    seconds: float
    # By group of parallel query sets and method.
    bias: dict[str, dict[str, Bias]] = dataclasses.field(default_factory=dict)

    def of(self, query_set: str) -> list[Row]:
        """Return the rows of a query set."""
        return [row for row in self.rows if row.query_set == query_set]


def as_json(
    evaluation: Evaluation, *, name: str, command: str, config: dict[str, Any]
) -> dict[str, Any]:
    """Return the record of an evaluation."""
    details: dict[str, dict[str, Any]] = {}
    for row in evaluation.rows:
        if row.details:
            details.setdefault(row.query_set, {})[row.method] = row.details
    return {
        **header(name=name, command=command, config=config),
        "seconds": round(evaluation.seconds, 1),
        "rows": [
            {
                "collection": row.collection,
                "queries": row.queries,
                "method": row.method,
                "seed": row.seed,
                "measures": row.measures,
            }
            for row in evaluation.rows
        ],
        **({"details": details} if details else {}),
        **({"bias": _as_dicts(evaluation.bias)} if evaluation.bias else {}),
        "significance": {
            query_set: dataclasses.asdict(comparisons)
            for query_set, comparisons in evaluation.significance.items()
        },
    }


def header(*, name: str, command: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return how every record begins: what was run, of which code, when and where."""
    return {"name": name, "command": command, "config": config, **made()}


def made() -> dict[str, Any]:
    """Return of which code something was made, when and where."""
    return {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }


def _as_dicts(found: dict[str, dict[str, Bias]]) -> dict[str, dict[str, Any]]:
    return {
        group: {method: dataclasses.asdict(bias) for method, bias in by_method.items()}
        for group, by_method in found.items()
    }


def write(folder: Path, evaluation: Evaluation, record: dict[str, Any]) -> Path:
    """Write NAME.json, and into NAME/ the run files and the per-query measures.

    Returns:
        The path of NAME.json.
    """
    beside = folder / record["name"]
    beside.mkdir(parents=True, exist_ok=True)
    for row in evaluation.rows:
        path = beside / f"{row.query_set}.{row.method}.run"
        trec.write_run(path, row.run, tag=row.method)
    for query_set in evaluation.significance:
        path = beside / f"{query_set}.per_query.tsv"
        textfile.write(path, _per_query(evaluation.of(query_set)))
    path = folder / f"{record['name']}.json"
    textfile.write(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return path


def _per_query(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    names = list(rows[0].per_query)
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(["query_id", "method", *names])
    for row in rows:
        for query_id in row.per_query[names[0]]:
            values = (f"{row.per_query[name][query_id]:.6g}" for name in names)
            writer.writerow([query_id, row.method, *values])
    return text.getvalue()


def table(evaluation: Evaluation, query_set: str) -> rich.table.Table:
    """Return methods x measures; a letter marks each method that one is better than."""
    rows = evaluation.of(query_set)
    compared = evaluation.significance[query_set]
    letters = {row.method: chr(ord("a") + i) for i, row in enumerate(rows)}
    beaten: dict[tuple[str, str], str] = {}
    for result in compared.results:
        if result.significant:
            pair = (
                (result.a, result.b) if result.difference > 0 else (result.b, result.a)
            )
            key = (pair[0], result.measure)
            beaten[key] = "".join(sorted(beaten.get(key, "") + letters[pair[1]]))
    width = max(len(marks) for marks in [*beaten.values(), ""])
    shown = rich.table.Table(
        title=f"{rows[0].collection}, {query_set}, {compared.queries} queries",
        caption=caption(compared),
        box=rich.box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
    )
    shown.add_column("method", no_wrap=True)
    for name in rows[0].measures:
        shown.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = (
            f"{value:.3f}{beaten.get((row.method, name), '').ljust(width)}"
            for name, value in row.measures.items()
        )
        shown.add_row(f"{letters[row.method]} {row.method}", *cells)
    return shown


def caption(compared: significance.Comparisons) -> str:
    """Name the test behind the marks of a table."""
    if not compared.results:
        return "one method: nothing to compare"
    return (
        f"a letter: better than that method at {compared.alpha}, {compared.test}, "
        f"{compared.samples:,} assignments, seed {compared.seed}; "
        f"{compared.correction} comparisons"
    )


def commit() -> str | None:
    """Return the commit of this code, "-dirty" if it was changed; None outside git."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or None


def machine() -> str:
    """Describe processor, cores, devices and the version of JAX."""
    devices = jax.devices()
    return (
        f"{processor()}, {os.cpu_count()} cores; "
        f"{len(devices)} x {devices[0].device_kind}; "
        f"jax {jax.__version__}, Python {platform.python_version()}"
    )


def processor() -> str:
    """Return the processor's name as Linux gives it, or what Python knows of it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
