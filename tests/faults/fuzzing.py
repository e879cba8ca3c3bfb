"""Many bad files for every reader, in a process whose memory is bounded."""

import multiprocessing
import resource
import traceback
from multiprocessing.connection import Connection

import hypothesis

from tests.faults import fuzz as files
from tests.faults import readers
from tests.faults.world import World

# Of each reader in a trial.
EXAMPLES = 20
_MEMORY = 2 << 30
_SECONDS = 1800


def fuzz(world: World, trial: int) -> dict[str, int]:
    """Give every reader bad files: a clear error, no hang, at most 2 GB more memory."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_read_all, args=(trial, theirs))
    process.start()
    theirs.close()
    said: object = f"still reading after {_SECONDS} s"
    try:
        if ours.poll(_SECONDS):
            said = ours.recv()
    except EOFError:
        process.join()
        said = f"the reading process ended with status {process.exitcode}"
    process.kill()
    process.join()
    assert isinstance(said, int), said
    return {"files_a_trial": said}


def _read_all(trial: int, out: Connection) -> None:
    table = readers.every()
    with open("/proc/self/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + _MEMORY, size + _MEMORY))
    for name, reader in table.items():
        try:
            _read_many(reader, seed=trial)
        except BaseException:  # noqa: BLE001 - a MemoryError, too
            out.send(f"{name}: {traceback.format_exc()[-1500:]}")
            return
    out.send(EXAMPLES * len(table))


def _read_many(reader: readers.FileReader, *, seed: int) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(files.contents(reader.good))
    def refused_or_read(content: bytes) -> None:
        files.check(reader, content)

    refused_or_read()
