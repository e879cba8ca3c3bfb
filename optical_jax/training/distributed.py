"""Runs of several processes: found in the environment, started, kept together, stopped.

A process is told of the others by, in this order:

JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES, JAX_PROCESS_ID   host:port of process 0, how many
    there are, which one this is; all three
OPTICAL_JAX_DISTRIBUTED=auto   jax asks the cluster (TPU VMs know their pod)
SLURM_NTASKS, SLURM_PROCID     set by srun
TPU_WORKER_HOSTNAMES           set by GKE for TPU slices

One process, or none of these, starts nothing. Two more have defaults:

OPTICAL_JAX_HEARTBEAT_SECONDS  silence after which a process is taken for dead; 100
OPTICAL_JAX_PREEMPTED_STATUS   exit status of a run that SIGTERM stopped; 0
"""

import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint import multihost

_EXPLICIT = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
_HEARTBEAT = "OPTICAL_JAX_HEARTBEAT_SECONDS"
_PREEMPTED = "OPTICAL_JAX_PREEMPTED_STATUS"
# Preparing a large bitext may take process 0 hours; a dead process ends the wait early.
_LONGEST_WAIT = 7 * 24 * 3600
_numbers = itertools.count()


def arguments(environ: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what jax.distributed.initialize needs; None where there is one process.

    Raises:
        ValueError: naming a variable that is missing or out of its range.
    """
    missing = [name for name in _EXPLICIT if not environ.get(name)]
    if len(missing) < len(_EXPLICIT):
        if missing:
            raise ValueError(
                f"{', '.join(_EXPLICIT)} go together; {', '.join(missing)} is not set"
            )
        count = _number(environ, _EXPLICIT[1], least=1)
        number = _number(environ, _EXPLICIT[2], least=0)
        if number >= count:
            raise ValueError(
                f"JAX_PROCESS_ID must be below JAX_NUM_PROCESSES ({count}), got {number}"
            )
        found = {
            "coordinator_address": environ[_EXPLICIT[0]],
            "num_processes": count,
            "process_id": number,
        }
        return found if count > 1 else None
    asked = environ.get("OPTICAL_JAX_DISTRIBUTED", "")
    if asked not in ("", "auto"):
        raise ValueError(
            f"OPTICAL_JAX_DISTRIBUTED must be 'auto' or not set, got {asked!r}"
        )
    # A job of several tasks whose script runs one command without srun has no such step.
    slurm = "SLURM_PROCID" in environ and "SLURM_STEP_NODELIST" in environ
    several = (
        asked == "auto"
        or (slurm and _number(environ, "SLURM_NTASKS", least=1) > 1)
        or "," in environ.get("TPU_WORKER_HOSTNAMES", "")
    )
    return {} if several else None


def start(environ: Mapping[str, str] = os.environ) -> None:
    """Join the other processes of the run, if there are any.

    Must come before anything that asks jax for a device.

    Raises:
        ValueError: naming a variable that is missing or out of its range.
        OSError: if the others are not there in time.
    """
    found = arguments(environ)
    if found is None:
        return
    seconds = _number(environ, _HEARTBEAT, least=1, default=100)
    preempted_status()  # a wrong one is named now, not at the end
    # Of no use to accelerators; between CPUs there is nothing else.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            **found,
            heartbeat_timeout_seconds=seconds,
            # An error of one process ends the others after this, not after 5 minutes.
            shutdown_timeout_seconds=seconds,
        )
    except RuntimeError as error:
        raise OSError(
            f"the processes of this run did not find each other ({error}); check that "
            f"all were started and can reach {found.get('coordinator_address', 'process 0')}"
        ) from error


def is_leader() -> bool:
    """Tell whether this process writes what all share: logs, config, prepared data."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Wait until every process of the run is here."""
    if jax.process_count() > 1:
        multihost.sync_global_processes(
            f"{name} {next(_numbers)}",
            timeout=_LONGEST_WAIT,
            # Said, so that no device takes part: their collectives give up after a while.
            processes=set(range(jax.process_count())),
        )


def from_leader(array: np.ndarray) -> np.ndarray:
    """Return process 0's array on every process; all must call this."""
    if jax.process_count() == 1:
        return array
    # Who is late is waited for here, not in a collective, which gives up after a while.
    barrier("from leader")
    return np.asarray(multihost_utils.broadcast_one_to_all(array))


def of_all(array: np.ndarray) -> np.ndarray:
    """Return every process's array of one shape, [processes ...]; all must call this."""
    if jax.process_count() == 1:
        return array[None]
    barrier("of all")
    return multihost_utils.process_allgather(array)


@contextlib.contextmanager
def leader_first(name: str) -> Iterator[None]:
    """Run the block on process 0, then on the others, who find on disk what it made.

    Where it fails the others try as well, and meet the same error.
    """
    if not is_leader():
        barrier(name)
    try:
        yield
    finally:
        if is_leader():
            barrier(name)


@contextlib.contextmanager
def together(kept: str) -> Iterator[None]:
    """Run the block until every process is at its end; say why where another one failed.

    Args:
        kept: what a further start of all of them goes on from.

    Raises:
        OSError: if jax lost another process.
    """
    try:
        yield
        barrier("end")
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        raise OSError(
            f"process {jax.process_index()} of {jax.process_count()} failed, most likely "
            f"because another one ended ({' '.join(str(error).split())[:300]}); start all "
            f"of them again: {kept}"
        ) from error


@contextlib.contextmanager
def preemption() -> Iterator[Callable[[int], bool]]:
    """Give a function that tells, after a step, whether SIGTERM asks to stop there.

    All processes must call it at the same steps; they are told at the same one, whichever
    of them was sent the signal. One process that was told behind its last step hands the
    signal on to the handler that was there before, if there was one.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    if threading.current_thread() is not threading.main_thread():
        yield lambda step: False  # a signal reaches the main thread alone
        return
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        yield lambda step: told.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
    if told.is_set() and callable(before):
        before(signal.SIGTERM, None)


@contextlib.contextmanager
def ended_by_sigterm(say: Callable[[], None]) -> Iterator[None]:
    """End the process at SIGTERM, with the status of a run that goes on; call `say` before.

    A run that trains meanwhile saves first (`preemption`).
    """

    def end(*_: object) -> NoReturn:
        say()
        raise SystemExit(preempted_status())

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def preempted_status() -> int:
    """Return the exit status of a run that is saved and not at its end.

    Raises:
        ValueError: if the variable that sets it is no number.
    """
    return _number(os.environ, _PREEMPTED, least=0, default=0)


def _number(
    environ: Mapping[str, str], name: str, *, least: int, default: int | None = None
) -> int:
    text = environ.get(name, "" if default is None else str(default))
    if not text.isdecimal() or int(text) < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}, got {text!r}"
        )
    return int(text)
