"""A command of the project in processes of its own, joined over gloo."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from tests.faults import processes


def run(
    command: str,
    arguments: Sequence[object],
    *,
    beside: Path,
    count: int,
    devices: int,
    before: str = "",
) -> list[processes.Ended]:
    """Run the processes of one command to their ends.

    Args:
        command: the module under optical_jax.
        arguments: of its command line.
        beside: what they print is kept beside this, compiled programs in its folder.
        count: how many processes.
        devices: of each.
        before: Python that they run first.
    """
    started = processes.start(
        _main,
        command,
        [str(argument) for argument in arguments],
        before,
        beside=beside,
        count=count,
        devices=devices,
        environ={"XDG_CACHE_HOME": str(beside.parent / "xla")},
    )
    return processes.finish(started, seconds=900)


def _main(number: int, command: str, arguments: list[str], before: str) -> int:
    exec(before, {})  # noqa: S102
    return importlib.import_module(f"optical_jax.{command}").main(arguments)
