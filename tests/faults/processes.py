"""Functions called in processes of their own; several are joined over gloo.

They are forked by a server that has imported everything and started nothing: a run costs
what it does, not its imports.
"""

import atexit
import contextlib
import multiprocessing
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax

_SERVER = multiprocessing.get_context("forkserver")
# What the campaign imports; the campaign itself is run again in every process as its main
# module, which runpy warns of where it has been imported.
_SERVER.set_forkserver_preload(
    [
        *(
            f"tests.faults.{name}"
            for name in ("damages", "fuzzing", "groups", "kills", "memory")
        ),
        "optical_jax.evaluate",
    ]
)


class Ended(NamedTuple):
    """A process that came to its end; a signal has a negative status."""

    status: int
    out: str
    err: str

    def said(self) -> str:
        """Return all that it printed, in one line."""
        return " ".join(f"{self.out} {self.err}".split())


@dataclass(frozen=True)
class Started:
    """A process, and where it prints to."""

    process: Any
    beside: Path
    number: int

    def ended(self) -> Ended:
        """Return status and output so far."""
        texts = (file(self.beside, self.number, kind) for kind in ("out", "err"))
        return Ended(self.process.exitcode, *(path.read_text() for path in texts))


def file(beside: Path, number: int, kind: str) -> Path:
    """Return the file of a kind that belongs to a process: "out", "err" ...

    Args:
        beside: stands beside it.
        number: of the process.
        kind: the name ends with it.
    """
    return beside.with_name(f"{beside.name}-{number}.{kind}")


def start(
    target: Callable[..., int],
    *arguments: object,
    beside: Path,
    count: int = 1,
    devices: int,
    environ: dict[str, str] | None = None,
    fresh: bool = False,
) -> list[Started]:
    """Call a function in so many processes.

    Args:
        target: of a module; called with the number of its process and the arguments,
            returns the status, or ends the process.
        arguments: of it.
        beside: what the processes print is kept beside this.
        count: how many processes.
        devices: of each.
        environ: more variables.
        fresh: whether they are new interpreters, for what is read as a program starts.
    """
    context = multiprocessing.get_context("spawn") if fresh else _SERVER
    started = []
    for number, joined in enumerate(_joined(count)):
        env = {**(environ or {}), **joined}
        process = context.Process(
            target=_call, args=(target, number, arguments, beside, devices, env)
        )
        with _environ(env if fresh else {}):
            process.start()
        started.append(Started(process, beside, number))
    return started


def finish(started: Sequence[Started], *, seconds: float = 1800) -> list[Ended]:
    """Wait for all and return how each ended.

    Raises:
        AssertionError: if one runs on after that time; all are killed then.
    """
    deadline = time.monotonic() + seconds
    try:
        for one in started:
            one.process.join(max(0.0, deadline - time.monotonic()))
            late = f"still running after {seconds} s: "
            assert not one.process.is_alive(), late + str([s.ended() for s in started])
    finally:
        for one in started:
            if one.process.is_alive():
                one.process.kill()
                one.process.join()
    return [one.ended() for one in started]


def _joined(count: int) -> list[dict[str, str]]:
    """Return the variables that join so many processes; one has none."""
    if count == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return [
        {
            "JAX_COORDINATOR_ADDRESS": address,
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(i),
        }
        for i in range(count)
    ]


@contextlib.contextmanager
def _environ(more: dict[str, str]) -> Iterator[None]:
    """Set variables for what starts inside."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _call(
    target: Callable[..., int],
    number: int,
    arguments: tuple[object, ...],
    beside: Path,
    devices: int,
    environ: dict[str, str],
) -> None:
    os.environ.update(environ)
    for kind, stream in (("out", 1), ("err", 2)):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(file(beside, number, kind), flags), stream)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
    jax.config.update("jax_num_cpu_devices", devices)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    status: Any = 1
    try:
        status = target(number, *arguments)
    except SystemExit as stop:
        status = stop.code
    except BaseException:  # noqa: BLE001 - said before what runs at the exit, as by Python
        traceback.print_exc()
    atexit._run_exitfuncs()  # a forked process runs none by itself
    sys.exit(status)
