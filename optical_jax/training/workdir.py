"""What a run leaves in its folder, and how a later command picks it up.

config.json     the resolved config
student/        the student as it started: encoder, tokenizer, head
checkpoints/    parameters, optimizer, data position, metrics
metrics.jsonl   one line a logged step
"""

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any

from optical_jax import config_io
from optical_jax.config import Config
from optical_jax.data import jsontext, staging, textfile
from optical_jax.models import folder
from optical_jax.models.retriever import Retriever
from optical_jax.training import checkpoint, distributed, trained
from optical_jax.training import student as student_lib

# What may differ between a run and its continuation.
_FREE = (
    "workdir",
    "mesh",
    "stop_after",
    "log_every",
    "eval_every",
    "save_every",
    "keep",
    "data.cache_dir",
)


def open_run(config: Config) -> Path:
    """Make the run's folder, or check that the one there is of the same config.

    What a killed process of the run was writing in it is removed.

    Raises:
        ValueError: naming the fields that differ from the run in the folder.
    """
    workdir = Path(config.workdir)
    path = workdir / "config.json"
    if path.is_file():
        check(config)
    if distributed.is_leader():
        workdir.mkdir(parents=True, exist_ok=True)
        staging.sweep(workdir)
        textfile.write(path, config_io.to_json(config))
    distributed.barrier("open run")
    return workdir


def check(config: Config) -> None:
    """Check that the run in the config's folder is of this config.

    Raises:
        FileNotFoundError: if the folder holds no run.
        ValueError: naming the fields that differ from the run in the folder.
    """
    found = differing(read_config(Path(config.workdir)), config)
    if found:
        raise ValueError(
            f"{config.workdir} holds a run of another config ({'; '.join(found[:8])}); "
            "choose another --workdir, or delete it to start over"
        )


def differing(before: Config, now: Config) -> list[str]:
    """Return "field: before -> now" for each field that no continuation may change."""
    old, new = _flat(before), _flat(now)
    names = sorted(n for n in old.keys() | new.keys() if not n.startswith(_FREE))
    return [
        f"{n}: {old.get(n)} -> {new.get(n)}" for n in names if old.get(n) != new.get(n)
    ]


def write_report(workdir: Path, report: dict[str, dict[str, int]]) -> None:
    """Keep what cleaning did to each source beside the run; the model card shows it."""
    textfile.write(workdir / "data.json", json.dumps(report, indent=2) + "\n")


def _flat(config: Config) -> dict[str, Any]:
    def walk(value: Any, name: str) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(value, dict):
            return {name: value}
        parts = (walk(v, f"{name}.{k}" if name else k) for k, v in value.items())
        return {k: v for part in parts for k, v in part.items()}

    return walk(json.loads(json.dumps(dataclasses.asdict(config))), "")


def read_config(workdir: Path) -> Config:
    """Read the resolved config of a run; nothing in it is executed.

    Raises:
        FileNotFoundError: if the folder holds no run.
        ValueError: if a field is unknown.
    """
    path = Path(workdir) / "config.json"
    if not is_run(workdir):
        raise FileNotFoundError(
            f"{workdir} holds no training run; it would have config.json with a workdir"
        )
    try:
        return config_io.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def is_run(path: Path | str) -> bool:
    """Tell a training run's folder from an encoder's: both have a config.json."""
    file = Path(path) / "config.json"
    if not file.is_file():
        return False
    try:
        content = jsontext.loads(file.read_text(encoding="utf-8"))
        return isinstance(content, dict) and "workdir" in content
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error})") from error


def load_student(workdir: Path | str, *, step: int | None = None) -> Retriever:
    """Load a run's student at a step; None: the best by held-out retrieval.

    Raises:
        FileNotFoundError: if the folder holds no run or no checkpoint yet.
    """
    workdir = Path(workdir)
    config = read_config(workdir)
    student = student_lib.load(workdir)
    with checkpoint.Checkpoints(
        workdir, keep=config.keep, best_by=config.validation.metric, read_only=True
    ) as checkpoints:
        step = checkpoints.best if step is None else step
        if step is None:
            raise FileNotFoundError(f"{checkpoints.folder} holds no checkpoint yet")
        abstract = trained.abstract(config, student)
        found = checkpoints.restore_params(step, abstract)
        return student.with_params(trained.whole(config, student, found))


def summary(workdir: Path | str) -> dict[str, Any]:
    """Return what a results file says of a run: settings, length, time, held-out measures.

    No paths are in it. `seconds` counts from the start of the last call of the run.
    """
    workdir = Path(workdir)
    config = read_config(workdir)
    lines = (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    logged = [json.loads(line) for line in lines]
    with checkpoint.Checkpoints(
        workdir, keep=config.keep, best_by=config.validation.metric, read_only=True
    ) as checkpoints:
        best, latest = checkpoints.best, checkpoints.latest
    speeds = [x["pairs_per_second"] for x in logged if "pairs_per_second" in x]
    measured = [x for x in logged if config.validation.metric in x]
    return {
        "config": config.name,
        "steps": latest,
        "checkpoint": best,
        "seconds": logged[-1]["seconds"],
        "median_pairs_per_second": round(statistics.median(speeds), 1)
        if speeds
        else None,
        "validation": {str(x["step"]): x[config.validation.metric] for x in measured},
        "validation_measure": config.validation.select_by,
        "batch_size": config.data.batch_size,
        "seed": config.seed,
        "objective": config.objective.used(),
        "optimizer": dataclasses.asdict(config.optimizer),
        "vocabulary": dataclasses.asdict(config.student.vocabulary),
    }


def load_teacher(config: Config, *, place: folder.Place | None = None) -> Retriever:
    """Load the frozen teacher that a config names.

    Args:
        config: of a run.
        place: see `folder.load`.

    Raises:
        ValueError: if it names none.
    """
    if not config.teacher.path:
        raise ValueError(
            "teacher.path must name the English retriever (a folder or a hub id), "
            "got an empty string"
        )
    return folder.load(config.teacher.path, head=config.teacher.head, place=place)
