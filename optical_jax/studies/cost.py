"""What a study will cost: from the speed of runs that were recorded."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import rich.box
import rich.table

from optical_jax.studies import runner
from optical_jax.studies.grid import Run
from optical_jax.studies.runner import Standing


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How fast a recorded run was: its pairs a second, seconds of a held-out measure."""

    pairs_per_second: float
    validation_seconds: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is left of one run; seconds is None where no run was recorded yet.

    Preparing the data, and compiling, are not in it.
    """

    run: Run
    standing: Standing
    steps: int
    rate: Rate | None
    seconds: float | None


def recorded(folder: Path) -> Rate | None:
    """Return the speed of a training run by its metrics.jsonl, None if it has none."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        return None
    speeds, validations, last = [], [], (-1, 0.0)
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
            now = line["step"], line["seconds"]
        except (json.JSONDecodeError, KeyError):
            continue  # a line cut off by a kill
        if "pairs_per_second" in line:
            speeds.append(line["pairs_per_second"])
        elif now[0] == last[0]:
            # Measures are logged right after the losses of the same step.
            validations.append(now[1] - last[1])
        last = now
    if not speeds:
        return None
    return Rate(
        pairs_per_second=statistics.median(speeds),
        validation_seconds=statistics.median(validations) if validations else 0.0,
    )


def estimate(
    runs: Sequence[Run],
    standings: Mapping[str, Standing],
    *,
    elsewhere: Sequence[Path] = (),
) -> list[Estimate]:
    """Return what is left of each run.

    A run is as fast as it was so far; else as the median of recorded runs of its base;
    else of all recorded ones.

    Args:
        runs: of a study.
        standings: of each by its name.
        elsewhere: folders of other training runs whose speed counts as well.
    """
    own = {run.name: recorded(run.folder) for run in runs}
    foreign = [rate for rate in map(recorded, elsewhere) if rate is not None]
    evaluations = [m.seconds for run in runs if (m := runner.measured(run)) is not None]
    evaluation = statistics.median(evaluations) if evaluations else 0.0
    found = []
    for run in runs:
        standing = standings[run.name]
        of_base = [own[r.name] for r in runs if r.base.name == run.base.name]
        rate = own[run.name] or _median(of_base) or _median([*own.values(), *foreign])
        steps = run.config.steps - standing.step
        left = _seconds(run, steps, rate)
        if standing.state == "done":
            left = 0.0
        elif left is not None:
            left += evaluation
        found.append(
            Estimate(run=run, standing=standing, steps=steps, rate=rate, seconds=left)
        )
    return found


def table(estimates: Sequence[Estimate]) -> rich.table.Table:
    """Return a line for each run that is not done."""
    shown = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("run", no_wrap=True)
    shown.add_column("is")
    for name in ("steps left", "pairs/s", "hours"):
        shown.add_column(name, justify="right")
    for e in estimates:
        if e.standing.state == "done":
            continue
        speed = f"{e.rate.pairs_per_second:.1f}" if e.rate else "?"
        hours = "?" if e.seconds is None else f"{e.seconds / 3600:.2f}"
        shown.add_row(e.run.name, e.standing.state, f"{e.steps:,}", speed, hours)
    return shown


def total(estimates: Sequence[Estimate]) -> str:
    """Return a line of what is left of all runs."""
    left = [e for e in estimates if e.standing.state != "done"]
    steps = sum(e.steps for e in left)
    seconds = math.fsum(e.seconds or 0.0 for e in left)
    known = all(e.seconds is not None for e in left)
    hours = f"about {seconds / 3600:.1f} hours" if known else "unknown hours"
    return (
        f"{len(estimates)} runs, {len(estimates) - len(left)} done; {len(left)} to go: "
        f"{steps:,} steps, {hours} and preparation"
    )


def _median(rates: Sequence[Rate | None]) -> Rate | None:
    known = [rate for rate in rates if rate is not None]
    if not known:
        return None
    return Rate(
        pairs_per_second=statistics.median(r.pairs_per_second for r in known),
        validation_seconds=statistics.median(r.validation_seconds for r in known),
    )


def _seconds(run: Run, steps: int, rate: Rate | None) -> float | None:
    if rate is None:
        return None
    config = run.config
    measures = -(-steps // config.eval_every)
    training = steps * config.data.batch_size / rate.pairs_per_second
    return training + measures * rate.validation_seconds
