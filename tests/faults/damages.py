"""Disks and files that fail, a loss that is no number, a clock that jumps."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults import processes, runs
from tests.faults.runs import NOTHING, Hit
from tests.faults.world import ONE, STEPS, World

# Larger than what a run prints and logs; smaller than each array of a checkpoint and each file
# of prepared data.
_LIMIT = 4096
_PAGE = 4096


class NotPossibleHere(Exception):
    """The machine does not permit what the fault needs."""


@contextlib.contextmanager
def _disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of some bytes; `_mount("-o", "remount,...", folder)` changes it."""
    folder.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield
    finally:
        _mount(folder, command="umount")


def _mount(*arguments: object, command: str = "mount") -> None:
    try:
        subprocess.run(
            [command, *map(str, arguments)], check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotPossibleHere(f"{command}: {error}") from error


def _refuses(
    world: World, run: Path, *words: str, options: Any = ONE, hit: Hit = NOTHING
) -> None:
    """Check that a run ends soon with a line that says these words."""
    ended = runs.run(world.root, run, hit=hit, **options)
    after = time.time() - processes.file(run, 0, "err").stat().st_mtime
    assert ended.status == 1, ended
    lines = ended.err.splitlines()
    assert "Traceback (most recent call last):" not in lines, ended
    assert lines[-1].startswith("error: "), ended
    for word in words:
        assert word in lines[-1], f"{word!r} is not in {lines[-1]!r}"
    assert after < 30, f"it ended {after:.0f} s after it said why"


def _half(world: World, run: Path, more: str = "") -> dict[str, Any]:
    """Train half of a run; returns the options of the whole."""
    options = {**ONE, "fields": ONE["fields"] + more}
    half = {**options, "fields": f"{options['fields']}, stop_after={STEPS // 2}"}
    ended = runs.run(world.root, run, **half)
    assert ended.status == 0, ended
    return options


def _size(folder: Path) -> int:
    """Return what the files of a folder take on a disk of pages; folders take nothing."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(-(-size // _PAGE) * _PAGE for size in sizes)


def disk_full(world: World, trial: int) -> None:
    """A disk that is full at a random size; with more space the same command goes on."""
    rng = np.random.default_rng((5, trial))
    whole = _size(world.straight())
    run = world.fresh(f"full-{trial}")
    with _disk(run, int(whole * rng.uniform(0.05, 0.9))):
        _refuses(world, run, "no space left", str(run))
        _mount("-o", f"remount,size={4 * whole}", run)
        world.goes_on(run)


def file_limit(world: World, trial: int) -> None:
    """A limit on the size of files (RLIMIT_FSIZE, as quotas set it) from a random moment.

    The last fifth of the run is left out: nothing large may be written there.
    """
    rng = np.random.default_rng((6, trial))
    run = world.fresh(f"limit-{trial}")
    hit = Hit(at=int(rng.integers(1, world.touches * 4 // 5)), limit=_LIMIT)
    _refuses(world, run, "no space left", str(run), hit=hit)
    world.goes_on(run)


def read_only(world: World, trial: int) -> None:
    """A folder that may no longer be written, from the start or after half of the run."""
    run = world.fresh(f"read-only-{trial}")
    with _disk(run, 4 * _size(world.straight())):
        if trial % 2:
            _half(world, run)
        _mount("-o", "remount,ro", run)
        _refuses(world, run, "ead-only", str(run))
        _mount("-o", "remount,rw", run)
        world.goes_on(run)


def shard_damaged(world: World, trial: int) -> None:
    """A file of prepared data that is gone, cut off or overwritten while nothing runs.

    The error says which directory to delete, and the run goes on without it.
    """
    rng = np.random.default_rng((7, trial))
    run = world.fresh(f"shard-{trial}")
    _half(world, run)
    kind = ("gone", "cut", "overwritten", "teacher")[trial % 4]
    if kind == "teacher":
        shard = next((run / "cache").glob("teacher-*/*.array_record"))
        folder = shard.parent
    else:
        folder = next((run / "cache").glob("bitext-*"))
        shard = next(folder.rglob("*train*.array_record*"))
    content = shard.read_bytes()
    if kind == "gone":
        shard.unlink()
    elif kind == "overwritten":
        shard.write_bytes(rng.bytes(len(content)))
    else:
        shard.write_bytes(content[: int(rng.integers(1, len(content)))])
    _refuses(world, run, "delete th", str(folder))
    shutil.rmtree(folder)
    world.goes_on(run)


def weights_damaged(world: World, trial: int) -> None:
    """A safetensors file of the student or the teacher that is gone, cut off, or noise."""
    rng = np.random.default_rng((8, trial))
    run = world.fresh(f"weights-{trial}")
    teacher = world.fresh(f"weights-{trial}-teacher")
    shutil.copytree(world.root / "teacher", teacher)
    options = _half(world, run, f", teacher=TeacherConfig(path={str(teacher)!r})")
    folder = (run / "student", teacher)[trial % 2]
    file = folder / "model.safetensors"
    good = file.read_bytes()
    kind = ("cut", "noise", "gone")[trial % 3]
    if kind == "cut":
        file.write_bytes(good[: int(rng.integers(0, len(good)))])
    elif kind == "noise":
        file.write_bytes(rng.bytes(16) + good[16:])
    else:
        file.unlink()
    _refuses(world, run, str(folder), options=options)
    file.write_bytes(good)
    world.goes_on(run, **options)


def checkpoint_damaged(world: World, trial: int) -> None:
    """A file of the newest checkpoint cut off: named; deleted, the run goes on before it."""
    rng = np.random.default_rng((9, trial))
    run = world.fresh(f"checkpoint-{trial}")
    _half(world, run)
    newest = run / "checkpoints" / str(STEPS // 2)
    files = [p for p in sorted((newest / "params").rglob("*")) if p.is_file()]
    file = max(files, key=lambda path: path.stat().st_size)
    os.truncate(file, int(rng.integers(0, file.stat().st_size // 2)))
    _refuses(world, run, "is damaged", str(newest))
    shutil.rmtree(newest)
    world.goes_on(run)


def not_a_number(world: World, trial: int) -> None:
    """A NaN in what the teacher gives for a random batch: nothing after it is kept."""
    rng = np.random.default_rng((10, trial))
    run = world.fresh(f"nan-{trial}")
    at = int(rng.integers(1, STEPS + 1))
    words = (f"step {at}: ", "is not a number", f"step {at - 1}, which is good")
    _refuses(world, run, *words, hit=Hit(nan_at=at))
    assert world.check_kept(run) == at - 1
    world.goes_on(run)


def clock(world: World, trial: int) -> None:
    """A clock that is set an hour forward and back all the time.

    Orbax counts the time of a save by it: the run ends well, or says so and goes on later.
    """
    run = world.fresh(f"clock-{trial}")
    jumps = {"LD_PRELOAD": str(_shim(world.root)), "CLOCK_PHASE": str(trial % 3)}
    options = {**ONE, "environ": jumps, "fresh": True}
    ended = runs.run(world.root, run, **options)
    if ended.status == 0:
        world.check_end(run)
        return
    last = ended.err.splitlines()[-1]
    assert ended.status == 1, ended
    assert last.startswith("error: "), ended
    assert "or the clock was set" in last, ended
    world.goes_on(run)


_CLOCK = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Every half second the time of day is another: right, an hour later, an hour earlier. */
static long jump(void) {
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  const char *phase = getenv("CLOCK_PHASE");
  long half = now.tv_sec * 2 + now.tv_nsec / 500000000;
  long offsets[] = {0, 3600, -3600};
  return offsets[(half + (phase ? atol(phase) : 0)) % 3];
}
int clock_gettime(clockid_t id, struct timespec *t) {
  int failed = syscall(SYS_clock_gettime, id, t);
  if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += jump();
  return failed;
}
int gettimeofday(struct timeval *t, void *zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
"""


def _shim(folder: Path) -> Path:
    """Compile a library that gives a process another time of day than the machine's."""
    library, source = folder / "clock.so", folder / "clock.c"
    source.write_text(_CLOCK)
    try:
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", library, source],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotPossibleHere(f"no C compiler: {error}") from error
    return library
