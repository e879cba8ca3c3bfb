"""The host's memory: how much is free, and freed memory kept where the CPU computes.

XLA's programs on CPUs ask the C library for the memory of their intermediate results each
time they run and give it back after: hundreds of megabytes, which Linux takes away and hands
out again page by page, zeroed: 6 % of the time of a step of training on two cores, 14 % where
a second run does the same beside it (`python -m benchmarks.step --parts memory`).
"""

import ctypes
import sys
from pathlib import Path

import jax

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_DEVICES = ("nvidia[0-9]*", "accel*", "vfio/[0-9]*", "kfd")


def keep_freed() -> bool:
    """Let the C library keep what this process frees, if the CPU is what computes.

    All threads share one heap that grows and does not shrink; blocks of any size come from
    it. The process holds on to the most that it ever needed. It must be called before jax
    makes its threads, which keep the heaps that they start with.

    Returns:
        Whether it does: not beside an accelerator, on which memory is its own matter and
        threads that prepare data would wait for each other; not without glibc.
    """
    if sys.platform != "linux" or not _cpu_computes(jax.config.jax_platforms):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = {
        _ARENA_MAX: 1,
        _MMAP_MAX: 0,
        # The largest: none is given back.
        _TRIM_THRESHOLD: -1,
        # How much the heap grows at a time.
        _TOP_PAD: 64 << 20,
    }
    return all(mallopt(option, value) == 1 for option, value in options.items())


def available(
    meminfo: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Return the bytes that this process may still take, its control group's limit included.

    None where the system does not say. meminfo and group: where Linux says so.
    """
    try:
        lines = meminfo.read_text().splitlines()
        (line,) = [line for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError):
        return None
    free = int(line.split()[1]) << 10
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no limit, or no group
        return free
    return min(free, max(limit - used, 0))


def _cpu_computes(platforms: str | None, devices: Path = Path("/dev")) -> bool:
    """Tell whether jax, told to use the platforms, will compute on the CPU.

    Where it is told none it takes an accelerator if there is one. It is not started.
    """
    if platforms:
        return platforms == "cpu"
    return not any(found for name in _DEVICES for found in devices.glob(name))
