"""Runs of `tests.training.tiny_run` in processes that are hit from inside."""

import contextlib
import itertools
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from optical_jax import command, train
from optical_jax.training import sharding
from tests.faults import processes
from tests.faults.processes import Ended, Started

# What Python tells of before it touches a file.
_TOUCHES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"}


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What befalls a process from inside; by default nothing.

    Attributes:
        at: it comes as the process touches its folder for the n-th time, from 1.
        signal: the process gets it then; 0: none.
        wait: seconds from there to the signal.
        process: the only one of several that gets it.
        limit: no file may be larger from then on (RLIMIT_FSIZE, bytes); 0: no limit.
        nan_at: the batch, from 1, of which a number of the teacher's vectors is none.
    """

    at: int = 0
    signal: int = 0
    wait: float = 0.0
    process: int = 0
    limit: int = 0
    nan_at: int = 0


NOTHING = Hit()


def start(
    root: Path,
    workdir: Path,
    *,
    fields: str,
    devices: int,
    count: int = 1,
    environ: dict[str, str] | None = None,
    hit: Hit = NOTHING,
    fresh: bool = False,
) -> list[Started]:
    """Start the processes of one run.

    Args:
        root: holds what `tiny_run.write_inputs` wrote.
        workdir: of the run.
        fields: more arguments of `tiny_run.config`, as Python.
        devices: of each process.
        count: how many processes.
        environ: more variables.
        hit: what befalls them.
        fresh: whether they are new interpreters.
    """
    preset = workdir.with_name(f"{workdir.name}.py")
    preset.write_text(
        "from pathlib import Path\nfrom optical_jax.config import *\n"
        "from tests.training import tiny_run\n"
        f"root, workdir = Path({str(root)!r}), Path({str(workdir)!r})\n"
        f"get_config = lambda: tiny_run.config(root, workdir, {fields})\n"
    )
    environ = {"XDG_CACHE_HOME": str(root / "xla"), **(environ or {})}
    arguments = (workdir, preset, hit)
    return processes.start(
        _train,
        *arguments,
        beside=workdir,
        count=count,
        devices=devices,
        environ=environ,
        fresh=fresh,
    )


def run(root: Path, workdir: Path, **options: Any) -> Ended:
    """Run one process to its end; options are those of `start`."""
    (ended,) = processes.finish(start(root, workdir, **options))
    return ended


def touches(workdir: Path, number: int = 0) -> tuple[int, int]:
    """Return how often a process touched its folder: until its first batch, and in all."""
    counts = json.loads(processes.file(workdir, number, "touches").read_text())
    return counts["first"], counts["all"]


def rows(workdir: Path, number: int = 0) -> np.ndarray:
    """Return the rows of the student's texts that a process read, [batches rows length]."""
    return np.load(processes.file(workdir, number, "npy"))


def told(workdir: Path, number: int = 0) -> float:
    """Return when a process got its signal, on the clock that only goes forward."""
    return float(processes.file(workdir, number, "told").read_text())


def _train(number: int, workdir: Path, preset: Path, hit: Hit) -> NoReturn:
    read: list[np.ndarray] = []
    counts = {"first": 0, "all": 0}
    _count_touches(workdir, number, hit, counts)
    with _batches(hit, read, counts):
        try:
            status = train.main(["--config", str(preset)])
        finally:
            if not hit.limit:
                np.save(processes.file(workdir, number, "npy"), np.array(read))
                file = processes.file(workdir, number, "touches")
                file.write_text(json.dumps(counts))
    command.end(status)


def _count_touches(
    workdir: Path, number: int, hit: Hit, counts: dict[str, int]
) -> None:
    """Count how often this process touches its folder; what hits it comes at one of them."""
    counter, told = itertools.count(1), processes.file(workdir, number, "told")

    def send() -> None:
        told.write_text(str(time.monotonic()))
        os.kill(os.getpid(), hit.signal)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in _TOUCHES or not str(args[0]).startswith(f"{workdir}/"):
            return
        counts["all"] = count = next(counter)
        if count != hit.at:
            return
        if hit.limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hit.limit, hit.limit))
        if hit.signal and number == hit.process:
            threading.Timer(hit.wait, send).start() if hit.wait else send()

    sys.addaudithook(hook)


@contextlib.contextmanager
def _batches(
    hit: Hit, read: list[np.ndarray], counts: dict[str, int]
) -> Iterator[None]:
    """Keep the rows of every batch that the process reads; one batch may hold a NaN."""
    to_global = sharding.to_global

    def recorded(batch: Any, mesh: Any) -> Any:
        counts["first"] = counts["first"] or counts["all"]
        read.append(batch["student/target"]["ids"])
        if len(read) == hit.nan_at:
            teacher = batch["teacher/source"]
            vectors = teacher["vectors"].copy()
            vectors[0, 0, 0] = np.nan
            batch = batch | {"teacher/source": teacher | {"vectors": vectors}}
        return to_global(batch, mesh)

    sharding.to_global = recorded
    try:
        yield
    finally:
        sharding.to_global = to_global
