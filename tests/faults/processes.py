"""Runs of `tests.training.tiny_run` in processes of their own that kill themselves.

They are forked by a server that has imported everything and started nothing: a run costs
what it does, not its imports.
"""

import itertools
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import jax

from optical_jax import train

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__, "tests.faults.campaign"])
# What Python tells of before it touches a file.
_TOUCHES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"}


class Ended(NamedTuple):
    """A process that came to its end; a signal has a negative status."""

    status: int
    out: str
    err: str


def beside(workdir: Path, kind: str) -> Path:
    """Return a file that belongs to a run and is not in its folder.

    "out" and "err"; "touches": how often the process touched its folder.
    """
    return workdir.with_name(f"{workdir.name}.{kind}")


def run(
    root: Path,
    workdir: Path,
    *,
    fields: str,
    devices: int,
    kill_at: int = 0,
    wait: float = 0.0,
    seconds: float = 1800,
) -> Ended:
    """Run to the end, or to a kill -9.

    Args:
        root: holds what `tiny_run.write_inputs` wrote.
        workdir: of the run.
        fields: more arguments of `tiny_run.config`, as Python.
        devices: of the process.
        kill_at: it is killed as it touches its folder for the n-th time, from 1; 0: never.
        wait: seconds from there to the kill.
        seconds: how long it may take.

    Raises:
        AssertionError: if it runs on after that.
    """
    preset = beside(workdir, "py")
    preset.write_text(
        "from pathlib import Path\nfrom optical_jax.config import *\n"
        "from tests.training import tiny_run\n"
        f"root, workdir = Path({str(root)!r}), Path({str(workdir)!r})\n"
        f"get_config = lambda: tiny_run.config(root, workdir, {fields})\n"
    )
    process = _SERVER.Process(
        target=_train, args=(root, workdir, preset, devices, kill_at, wait)
    )
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"still running after {seconds} s")
    out, err = (beside(workdir, kind).read_text() for kind in ("out", "err"))
    return Ended(process.exitcode, out, err)


def _train(
    root: Path, workdir: Path, preset: Path, devices: int, kill_at: int, wait: float
) -> None:
    os.environ["XDG_CACHE_HOME"] = str(root / "xla")
    for kind, stream in (("out", 1), ("err", 2)):
        os.dup2(
            os.open(beside(workdir, kind), os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            stream,
        )
    sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
    jax.config.update("jax_num_cpu_devices", devices)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    touches = _count_touches(workdir, kill_at, wait)
    status = train.main(["--config", str(preset)])
    beside(workdir, "touches").write_text(str(touches[0]))
    sys.exit(status)


def _count_touches(workdir: Path, kill_at: int, wait: float) -> list[int]:
    """Count how often this process touches its folder; it is killed at one of them."""
    counter, seen = itertools.count(1), [0]

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in _TOUCHES or not str(args[0]).startswith(f"{workdir}/"):
            return
        seen[0] = count = next(counter)
        if count == kill_at:
            threading.Timer(wait, kill).start() if wait else kill()

    sys.addaudithook(hook)
    return seen
