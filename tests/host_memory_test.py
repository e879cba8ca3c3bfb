import subprocess
import sys
from pathlib import Path

import pytest

from optical_jax import host_memory

# Prints the pages that the kernel handed out in a run of a program with more than 64 MB of
# intermediate results: the least of many runs, as the heap may still grow in some.
_PROGRAM = """
import resource, sys
import jax, jax.numpy as jnp
from optical_jax import host_memory

if "keep" in sys.argv:
    assert host_memory.keep_freed()

# Blocks above 32 MB, which glibc never keeps by itself.
@jax.jit
def f(x):
    y = jnp.sin(x @ x.T)
    return (jnp.cos(y @ y[:, :8]) @ y[:8]).sum()

x = jnp.ones((4000, 16)) / 16
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
runs = []
for _ in range(20):
    before = faults()
    f(x).block_until_ready()
    runs.append(faults() - before)
print(min(runs))
"""


def _pages(*args):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *args],
        capture_output=True,
        text=True,
        check=True,
        env={"JAX_PLATFORMS": "cpu", "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[1],
    )
    return int(done.stdout)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the C library is not glibc"
)
@pytest.mark.long
def test_no_page_is_given_back_and_taken_again():
    assert _pages() > 1_000
    assert _pages("keep") < 100


def test_the_cpu_computes_where_there_is_no_accelerator(tmp_path):
    assert host_memory._cpu_computes(None, tmp_path)
    (tmp_path / "nvidiactl").touch()
    assert host_memory._cpu_computes(None, tmp_path)
    (tmp_path / "nvidia0").touch()
    assert not host_memory._cpu_computes(None, tmp_path)


def test_a_tpu_s_host_keeps_its_ways(tmp_path):
    (tmp_path / "vfio").mkdir()
    (tmp_path / "vfio" / "0").touch()
    assert not host_memory._cpu_computes(None, tmp_path)


@pytest.mark.parametrize(
    ("platforms", "cpu"), [("cpu", True), ("cuda,cpu", False), ("tpu", False)]
)
def test_the_platform_that_is_asked_for_decides(tmp_path, platforms, cpu):
    (tmp_path / "nvidia0").touch()
    assert host_memory._cpu_computes(platforms, tmp_path) is cpu


def test_free_memory_is_the_least_of_what_linux_and_the_group_leave(tmp_path):
    meminfo = tmp_path / "meminfo"
    free = lambda: host_memory.available(meminfo, tmp_path)
    assert free() is None
    meminfo.write_text("MemTotal: 90 kB\nMemAvailable:   40 kB\n")
    assert free() == 40 << 10
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("10240\n")
    assert free() == 40 << 10
    (tmp_path / "memory.max").write_text("30720\n")
    assert free() == 20 << 10
    (tmp_path / "memory.current").write_text("40960\n")
    assert free() == 0
