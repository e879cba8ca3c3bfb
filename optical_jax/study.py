r"""Run a study: a grid of configs and seeds, each trained and measured, then compared.

    python -m optical_jax.study --config configs/studies/X.py --collections DIR \
        --set data.root=RAW teacher.path=TEACHER [--dry_run] [--only PATTERN ...]

The preset's get_study() says what is varied. The plan is printed with its cost before
anything starts; where no run was recorded yet, the first one's first steps are timed.
Runs go in the given order, each in a folder of its own; a finished one is skipped, an
interrupted one goes on, a failed one is reported and does not stop the others. Then
NAME.json, NAME.md and figures are written. The same command again goes on, or, when all is
done, writes them again. What finished runs measured is kept in NAME.runs.jsonl.gz beside
NAME.json: with this file alone, the command goes on on another machine.
"""

import dataclasses
import fnmatch
import functools
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich.console
import rich.markup
import tyro

from optical_jax import command, config_io
from optical_jax.retrieval.searcher import Stages
from optical_jax.studies import cost, output, overrides, results, runner
from optical_jax.studies.archive import Archive
from optical_jax.studies.bench import Benches
from optical_jax.studies.grid import Base, Run, Study, averages, runs
from optical_jax.studies.ledger import Ledger
from optical_jax.training import distributed


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command's options."""

    # File whose get_study() returns the study.
    config: Path
    # Folder that the bases' collections are relative to.
    collections: Path = Path()
    # Fields of every base's config, "path=value" each; values are JSON or text.
    set: tuple[str, ...] = ()
    # Where the runs go; None: work/studies/NAME.
    workdir: Path | None = None
    # Where NAME.json, NAME.md, NAME.runs.jsonl.gz and figures go; None: the workdir.
    output: Path | None = None
    # Runs to train, patterns of base/method/seed such as "kin/*/0"; none: all.
    only: tuple[str, ...] = ()
    # Delete a run's folder, checkpoints and all, once its measures are in the archive;
    # where the preset averages seeds, those of methods with several stay.
    discard: bool = False
    # Print the plan and its cost, and stop.
    dry_run: bool = False
    # Steps of the first run that are timed where no run was recorded; 0: none are.
    probe: int = 24
    # Folders of earlier training runs whose speed is that of this study's.
    measured: tuple[Path, ...] = ()
    # Of the permutation tests.
    samples: int = 100_000
    # Encoded collections and word translations.
    cache: Path = Path("~/.cache/optical_jax")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a call did: files written, and why runs failed, by their names."""

    written: list[Path]
    failures: dict[str, str]


def run(
    study: Study,
    options: Options,
    *,
    line: str = "python -m optical_jax.study",
    console: rich.console.Console,
) -> Report:
    """Plan, run and report a study.

    Args:
        study: the study.
        options: see there; `config` is not read.
        line: the command, for the record.
        console: what is printed to.

    Raises:
        ValueError: if a pattern matches no run, a setting, a collection or a query set is
            not valid, or a folder or the archive has a run of another config; before any
            long work.
    """
    study = _placed(study, overrides.parse(options.set), options.collections)
    root = options.workdir or Path("work/studies") / study.name
    by_cell = runs(study, root)
    chosen = _chosen(by_cell, options.only)
    benches = Benches(options.collections, cache=options.cache, told=_told(console))
    benches.check(study.bases)
    place = options.output or root
    archive = Archive(place / f"{study.name}.runs.jsonl.gz", measures=study.measures)
    averaged = {run.name for one in averages(study, by_cell) for run in one.runs}
    discarded = {one.name for one in chosen} - averaged if options.discard else set()
    ledger = Ledger(root, archive, discarded=discarded)
    # The report reads every run: one of another config there is refused now, not then.
    standings = {one.name: ledger.standing(one) for one in by_cell.values()}
    _plan(chosen, standings, options, console)
    if options.dry_run:
        return Report(written=[], failures={})
    # What an earlier version or another --output left in folders, chosen or not.
    for base in study.bases:
        ledger.keep_baselines(base)
    for one in by_cell.values():
        ledger.keep(one)
    failures = _execute(chosen, ledger, benches, console)
    failures |= _average(study, by_cell, chosen, ledger, benches, console)
    found = results.collect(study, by_cell, ledger, samples=options.samples)
    written = output.write(found, by_cell, ledger, place, line=line)
    for name, why in failures.items():
        _say_failure(console, name, why)
    return Report(written=written, failures=failures)


def _execute(
    chosen: Sequence[Run],
    ledger: Ledger,
    benches: Benches,
    console: rich.console.Console,
) -> dict[str, str]:
    """Measure the baselines, train and measure the runs; return why some failed."""
    bases = {one.base.name: one.base for one in chosen}
    tasks: dict[str, Callable[[], None]] = {
        f"{name}/baselines": functools.partial(ledger.measure_baselines, base, benches)
        for name, base in bases.items()
        if ledger.baselines(base) is None
    }
    for one in chosen:
        tasks[one.name] = functools.partial(ledger.execute, one, benches)
    return _each(tasks, console)


def _each(
    tasks: Mapping[str, Callable[[], None]], console: rich.console.Console
) -> dict[str, str]:
    """Do what is to be done; return why some failed."""
    failures = {}
    for number, (name, task) in enumerate(tasks.items(), start=1):
        console.rule(f"{number} of {len(tasks)}: {name}", align="left")
        try:
            task()
        # Whatever is wrong with one run, the others can be right.
        except Exception as error:  # noqa: BLE001
            failures[name] = f"{type(error).__name__}: {error}"
            _say_failure(console, name, failures[name])
    return failures


def _average(
    study: Study,
    by_cell: Mapping[str, Run],
    chosen: Sequence[Run],
    ledger: Ledger,
    benches: Benches,
    console: rich.console.Console,
) -> dict[str, str]:
    """Measure the means of the methods that are done and of which a seed was chosen."""
    tasks = {
        f"{one.base.name}/{one.name}": functools.partial(
            ledger.execute_average, one, benches
        )
        for one in averages(study, by_cell)
        if any(run in chosen for run in one.runs)
        # Students that are known from the archive alone cannot be averaged.
        and all(runner.standing(run).state == "done" for run in one.runs)
    }
    return _each(tasks, console)


def _told(console: rich.console.Console) -> Stages:
    """Return what prints each stage once: a bar would clash with that of training."""
    known: set[str] = set()

    def told(stage: str, done: int, total: int) -> None:
        if stage not in known:
            known.add(stage)
            console.print(f"{stage}: {total:,}", highlight=False)

    return told


def _placed(study: Study, changes: dict[str, Any], collections: Path) -> Study:
    """Apply the command's overrides; no text of its collection is in a base's bitext."""

    def place(base: Base) -> Base:
        config = overrides.apply(base.config, changes)
        if "data.exclude" not in changes:
            # A preset names its collection where that usually lies.
            name = Path(base.collection).name
            others = [e for e in config.data.exclude if Path(e).name != name]
            excluded = [*others, str(collections / base.collection)]
            config = overrides.apply(config, {"data.exclude": excluded})
        return dataclasses.replace(base, config=config)

    grids = tuple(
        dataclasses.replace(grid, bases=tuple(map(place, grid.bases)))
        for grid in study.grids
    )
    return dataclasses.replace(study, grids=grids)


def _chosen(by_cell: Mapping[str, Run], patterns: Sequence[str]) -> list[Run]:
    """Return the runs, each once, that have a name which one of the patterns matches."""
    chosen = {
        run.name: run
        for name, run in by_cell.items()
        if not patterns or any(fnmatch.fnmatch(name, p) for p in patterns)
    }
    if not chosen:
        raise ValueError(
            f"only must match a run, like {next(iter(by_cell))!r}; got "
            f"{', '.join(patterns)}"
        )
    return list(chosen.values())


def _plan(
    chosen: Sequence[Run],
    standings: Mapping[str, runner.Standing],
    options: Options,
    console: rich.console.Console,
) -> None:
    """Print what is left to do and how long it takes, timing some steps if need be."""
    estimates = cost.estimate(chosen, standings, elsewhere=options.measured)
    waiting = [e for e in estimates if e.standing.state not in ("done", "trained")]
    first = waiting[0].run if waiting else None
    if first and waiting[0].rate is None and standings[first.name].step < options.probe:
        console.print(f"timing {options.probe} steps of {first.name}, which are kept")
        runner.time_steps(first, steps=options.probe)
        standings = {**standings, first.name: runner.standing(first)}
        estimates = cost.estimate(chosen, standings, elsewhere=options.measured)
    console.print(cost.table(estimates))
    console.print(cost.total(estimates), highlight=False)


def _say_failure(console: rich.console.Console, name: str, why: str) -> None:
    text = rich.markup.escape(f"{name}: {' '.join(why.split())[:500]}")
    console.print(f"[red]failed:[/red] {text}", soft_wrap=True, highlight=False)


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 1 if a run failed."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = tyro.cli(
        Options, args=argv, prog="python -m optical_jax.study", description=__doc__
    )
    line = shlex.join(["python", "-m", "optical_jax.study", *argv])
    console = rich.console.Console(width=None if sys.stdout.isatty() else 120)
    command.set_up(options.cache)
    study = config_io.load_preset(options.config, getter="get_study", kind=Study)
    stopped = "stopped by SIGTERM; the same command goes on"
    with distributed.ended_by_sigterm(lambda: console.print(stopped)):
        report = run(study, options, line=line, console=console)
    for path in report.written:
        console.print(f"written: {path}", soft_wrap=True)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
