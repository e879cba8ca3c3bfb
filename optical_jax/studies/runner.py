"""Train and measure one run of a study, or say that it is done."""

import dataclasses
import json
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from optical_jax import train
from optical_jax.config import Config
from optical_jax.data import textfile
from optical_jax.models import average
from optical_jax.studies import bench
from optical_jax.studies.bench import Benches, Measured
from optical_jax.studies.grid import Average, Base, Run
from optical_jax.training import checkpoint, workdir

State = Literal["new", "started", "trained", "done", "failed"]
_EVALUATION = "evaluation"
_FAILURE = "failure.txt"
_SECONDS = "seconds.json"


@dataclass(frozen=True)
class Standing:
    """How far a run is: its state, and its newest complete step."""

    state: State
    step: int


def standing(run: Run) -> Standing:
    """Look a run's folder up, without changing it.

    Raises:
        ValueError: if a run of another config is there.
    """
    if not workdir.is_run(run.folder):
        return Standing("new", 0)
    workdir.check(run.config)
    with checkpoint.Checkpoints(
        run.folder,
        keep=run.config.keep,
        best_by=run.config.validation.metric,
        read_only=True,
    ) as checkpoints:
        step = checkpoints.latest or 0
    if step >= run.config.steps:
        return Standing("trained" if measured(run) is None else "done", step)
    failed = (run.folder / _FAILURE).is_file()
    return Standing("failed" if failed else "started", step)


def execute(run: Run, benches: Benches) -> None:
    """Train a run that is not done to its end, and measure its student.

    Raises:
        Exception: whatever stopped it, which is kept in its folder, too.
    """
    try:
        if standing(run).state != "trained":
            _train(run.config)
        student = workdir.load_student(run.folder)
        benches.bench(run.base, run.config).measure_student(
            student, run.folder / _EVALUATION, fused=run.fused
        )
    except Exception:
        run.folder.mkdir(parents=True, exist_ok=True)
        textfile.write(run.folder / _FAILURE, traceback.format_exc())
        raise
    (run.folder / _FAILURE).unlink(missing_ok=True)


def discard(run: Run) -> None:
    """Delete a run's folder, under another name first: what is left of one is no run."""
    gone = run.folder.with_name(f"{run.folder.name}.discarded")
    # A call that was killed may have left some.
    shutil.rmtree(gone, ignore_errors=True)
    if run.folder.is_dir():
        run.folder.rename(gone)
        shutil.rmtree(gone)


def execute_average(one: Average, benches: Benches) -> None:
    """Measure the mean of runs that are all done."""
    first, *others = (run.folder for run in one.runs)
    student = average.average(
        workdir.load_student(first), map(workdir.load_student, others)
    )
    benches.bench(one.base, one.runs[0].config).measure_student(
        student, one.folder, fused=False
    )


def measured_average(one: Average) -> Measured | None:
    """Return what was measured of a mean of runs; None if nothing was."""
    return bench.read(one.folder, one.base)


def time_steps(run: Run, *, steps: int) -> None:
    """Train the first steps of a run, at whose end it can go on, to see its speed."""
    _train(
        dataclasses.replace(
            run.config,
            stop_after=min(steps, run.config.steps),
            log_every=max(1, steps // 4),
        )
    )


def measured(run: Run) -> Measured | None:
    """Return what was measured of a run; None if that is still to be done."""
    found = bench.read(run.folder / _EVALUATION, run.base)
    return found if found and is_whole(found, run) else None


def is_whole(found: Measured, run: Run) -> bool:
    """Tell whether all was measured that is asked of a run now.

    The reference, whose fusion is measured, may have become another method since.
    """
    names = {row["method"] for row in found.rows}
    return not run.fused or len(names) > 1 or not run.base.config.data.sources


def measure_baselines(base: Base, root: Path, benches: Benches) -> None:
    """Measure the baselines of a base, once for all of its runs."""
    benches.bench(base).measure_baselines(_of_baselines(base, root))


def baselines_of(base: Base, root: Path) -> Measured | None:
    """Return what was measured of a base's baselines, None if nothing was."""
    return bench.read(_of_baselines(base, root), base)


def _of_baselines(base: Base, root: Path) -> Path:
    return root / base.name / "baselines"


def summary(run: Run) -> dict[str, Any]:
    """Return what a results file says of a finished run; no paths."""
    told = workdir.summary(run.folder)
    path = run.folder / _SECONDS
    seconds = json.loads(path.read_text()) if path.is_file() else told["seconds"]
    found = measured(run)
    kept = ("steps", "checkpoint", "median_pairs_per_second", "validation", "objective")
    return {
        **{name: told[name] for name in kept},
        "train_seconds": round(seconds, 1),
        "evaluation_seconds": found.seconds if found else None,
    }


def _train(config: Config) -> None:
    """Train, and add up the wall time of every call that does, one that is stopped too."""
    began = time.monotonic()
    try:
        train.run(config)
    finally:
        path = Path(config.workdir) / _SECONDS
        if path.parent.is_dir():
            before = json.loads(path.read_text()) if path.is_file() else 0.0
            seconds = before + time.monotonic() - began
            textfile.write(path, json.dumps(seconds) + "\n")
