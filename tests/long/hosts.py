"""A command of the project in processes of its own, joined over gloo."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.long import processes

_CODE = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", {devices})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
{before}
from optical_jax import {command}
sys.exit({command}.main({arguments!r}))
"""


def start(
    command: str,
    arguments: Sequence[str],
    *,
    count: int,
    devices: int,
    before: str = "",
) -> list[subprocess.Popen]:
    """Start the processes of one command.

    Args:
        command: the module under optical_jax.
        arguments: of its command line.
        count: how many processes.
        devices: of each.
        before: Python that they run first.
    """
    code = _CODE.format(
        devices=devices, command=command, arguments=list(arguments), before=before
    )
    return [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code],
            env=os.environ | {"JAX_PLATFORMS": "cpu"} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for environ in processes.environments(count)
    ]
