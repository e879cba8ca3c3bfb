"""Runs of `tests.training.tiny_run` in processes of their own, joined over gloo."""

import os
import socket
import subprocess
import sys
from pathlib import Path

_CODE = """
import sys
import jax
import numpy as np
jax.config.update("jax_num_cpu_devices", {devices})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
from optical_jax import train
from optical_jax.training import sharding

read, whole = [], sharding.to_global
def recorded(batch, mesh):
    read.append(batch["student/target"]["ids"])
    np.save({rows!r} + f"{{jax.process_index()}}.npy", np.stack(read))
    return whole(batch, mesh)

sharding.to_global = recorded
sys.exit(train.main())
"""


def start(
    root: Path,
    workdir: Path,
    *,
    fields: str = "",
    processes: int = 2,
    devices: int = 4,
    environ: dict[str, str] | None = None,
) -> list[subprocess.Popen]:
    """Start the processes of one run.

    Args:
        root: holds what `tiny_run.write_inputs` wrote.
        workdir: of the run; the rows that process i read are in `<workdir>-rows<i>.npy`.
        fields: more arguments of `tiny_run.config`, as Python.
        processes: how many.
        devices: of each.
        environ: more variables.
    """
    preset = workdir.with_suffix(".py")
    preset.write_text(
        "from pathlib import Path\nfrom optical_jax.config import *\n"
        "from tests.training import tiny_run\n"
        f"get_config = lambda: tiny_run.config(Path({str(root)!r}), "
        f"Path({str(workdir)!r}), {fields})\n"
    )
    code = _CODE.format(devices=devices, rows=f"{workdir}-rows")
    started = []
    for joined in environments(processes):
        env = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "XDG_CACHE_HOME": str(root / "xla"),
            **(environ or {}),
            **joined,
        }
        started.append(
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", code, "--config", str(preset)],
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started


def environments(count: int) -> list[dict[str, str]]:
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


def finish(started: list[subprocess.Popen], *, seconds: float) -> list[tuple]:
    """Wait for all and return (status, standard output, standard error) of each."""
    ended = []
    try:
        for process in started:
            out, err = process.communicate(timeout=seconds)
            ended.append((process.returncode, out, err))
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
    return ended
