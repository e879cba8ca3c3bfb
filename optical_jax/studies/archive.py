"""What finished runs of a study measured, in a file small enough to keep in a repository.

The folders of a study hold checkpoints: too large to keep, and lost with a rented machine.
NAME.runs.jsonl.gz, beside NAME.json, has one line for each finished run, mean of runs and
base's baselines: its config, what NAME.json says of it, and the measures of every query. A
run that is in it is done, wherever its folder is, so that a grid goes on on another
machine; the archives of machines that shared a grid are joined by writing one after the
other: `cat a.gz b.gz > NAME.runs.jsonl.gz`.
"""

import dataclasses
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optical_jax import config_io
from optical_jax.config import Config
from optical_jax.data import jsontext, staging, textfile
from optical_jax.retrieval import record
from optical_jax.studies.bench import Measured
from optical_jax.training import workdir


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A line: one evaluation.

    Attributes:
        name: of the run, "base/method/seed"; of a mean or of baselines alike.
        config: the run's; without paths, which differ from machine to machine.
        measured: its measures; `per_query` has those that the study compares.
        summary: what the record says of a training run; None for what is none.
        made: commit, date and machine where it was kept: not those of the record, where
            several machines share a grid.
    """

    name: str
    config: Config
    measured: Measured
    summary: dict[str, Any] | None = None
    made: dict[str, Any] = dataclasses.field(default_factory=dict)


class Archive:
    """Lines by name, and the file that they are kept in."""

    def __init__(self, path: Path, *, measures: Sequence[str]):
        """Read what is there.

        Args:
            path: the file; it need not exist.
            measures: those that the study compares. A line that lacks one does not count.

        Raises:
            ValueError: naming a line that is no such line.
        """
        self._path = path
        self._measures = tuple(measures)
        self._kept = {}
        if path.is_file():
            for number, line in enumerate(textfile.read_lines(path), start=1):
                try:
                    one = _parsed(jsontext.loads(line))
                    self._kept[one.name] = one
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise ValueError(
                        f"{path}, line {number} is no line of a study's archive "
                        f"({type(error).__name__}: {error}); restore the file, or delete "
                        "it to measure again"
                    ) from error

    def find(
        self, name: str, config: Config, *, only: str | tuple[str, ...] = ""
    ) -> Kept | None:
        """Return what is kept by a name; None if nothing is, or too little.

        Args:
            name: of the run.
            config: that it has now.
            only: beginnings of the fields that the measures depend on; "": of all.

        Raises:
            ValueError: if what is kept is of another config, naming the fields.
        """
        one = self._kept.get(name)
        if one is None or not all(
            set(self._measures) <= set(row["per_query"]) for row in one.measured.rows
        ):
            return None
        differing = [
            told
            for told in workdir.differing(one.config, _without_paths(config))
            if told.startswith(only)
        ]
        if differing:
            raise ValueError(
                f"{self._path} has {name} of another config ({'; '.join(differing[:8])}); "
                "choose another --output, or delete the file to measure again"
            )
        return one

    def keep(
        self,
        name: str,
        config: Config,
        measured: Measured,
        summary: dict[str, Any] | None = None,
    ) -> None:
        """Add a line, or replace that of the same name, and write the file."""
        rows = [
            {**row, "per_query": {m: row["per_query"][m] for m in self._measures}}
            for row in measured.rows
        ]
        made = Kept(
            name=name,
            config=_without_paths(config),
            measured=dataclasses.replace(measured, rows=rows),
            summary=summary,
        )
        one = _parsed(json.loads(json.dumps(_as_line(made))))
        before = self._kept.get(name)
        if before is not None and dataclasses.replace(before, made={}) == one:
            return
        self._kept[name] = dataclasses.replace(one, made=record.made())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = (
            json.dumps(_as_line(k), ensure_ascii=False) for k in self._kept.values()
        )
        text = "".join(f"{line}\n" for line in lines)
        with staging.file(self._path) as temporary:
            # Without the time, so that the same lines are the same bytes.
            temporary.write_bytes(gzip.compress(text.encode(), mtime=0))


def _as_line(kept: Kept) -> dict[str, Any]:
    """Return a line; the query ids of a row once, not once a measure."""
    content = dataclasses.asdict(kept)
    for row in content["measured"]["rows"]:
        per_query = row.pop("per_query")
        ids = list(next(iter(per_query.values())))
        row["query_ids"] = ids
        row["values"] = {m: [found[i] for i in ids] for m, found in per_query.items()}
    return content


def _parsed(content: dict[str, Any]) -> Kept:
    measured = content["measured"]
    return Kept(
        name=str(content["name"]),
        config=config_io.convert(Config, content["config"], "config"),
        measured=Measured(
            asked=dict(measured["asked"]),
            rows=list(map(_row, measured["rows"])),
            seconds=float(measured["seconds"]),
        ),
        summary=content["summary"] and dict(content["summary"]),
        made=dict(content["made"]),
    )


def _row(line: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `Measured` of a row of a line; numbers are numbers."""
    ids = list(map(str, line["query_ids"]))
    per_query = {
        measure: dict(zip(ids, map(float, values), strict=True))
        for measure, values in line["values"].items()
    }
    return {
        **{k: str(line[k]) for k in ("collection", "query_set", "queries", "method")},
        "measures": {measure: float(x) for measure, x in line["measures"].items()},
        "details": dict(line["details"]),
        "per_query": per_query,
    }


def _without_paths(config: Config) -> Config:
    """Return a config that says what is trained, but not where anything lies."""
    data, teacher, student = config.data, config.teacher, config.student
    return dataclasses.replace(
        config,
        name="",
        workdir="",
        data=dataclasses.replace(
            data,
            root="",
            cache_dir="",
            exclude=tuple(Path(path).name for path in data.exclude),
        ),
        teacher=dataclasses.replace(teacher, path=Path(teacher.path).name),
        student=dataclasses.replace(student, path=Path(student.path).name),
    )
