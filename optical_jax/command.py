"""What the commands share: errors in a line, live progress, what is kept between uses."""

import asyncio
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import jax
import rich.console
import rich.markup
import rich.progress

from optical_jax import host_memory
from optical_jax.retrieval.searcher import Stages


def reported(main: Callable[..., int]) -> Callable[..., int]:
    """Let a command end with a line and a status where its input is wrong.

    Returns:
        The command; its status is 1 after an error, whose message goes to the standard
        error, and 130 after an interrupt.
    """

    @functools.wraps(main)
    def status(*args: object, **kwargs: object) -> int:
        try:
            return main(*args, **kwargs)
        except (ValueError, OSError, FloatingPointError) as error:
            text = f"[red]error:[/red] {rich.markup.escape(str(error))}"
            # Not cut into lines of 80 columns in a file, nor are the paths in it.
            rich.console.Console(stderr=True).print(text, soft_wrap=True)
            return 1
        except KeyboardInterrupt:
            return 130

    return status


def end(status: int) -> NoReturn:
    """End the process with the status of a command that saves checkpoints.

    After an error it ends at once: where a save fails, Orbax leaves threads that wait ten
    minutes for its other parts, and Python would wait for them with the machines held.
    """
    if status == 0:
        sys.exit(0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@contextlib.contextmanager
def live(console: rich.console.Console) -> Iterator[Stages]:
    """Show a bar for each stage that is told; on no terminal, nothing."""
    with rich.progress.Progress(
        *rich.progress.Progress.get_default_columns(),
        rich.progress.TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bars:
        known: dict[str, rich.progress.TaskID] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in known:
                known[stage] = bars.add_task(stage, total=total)
            bars.update(known[stage], completed=done)

        yield told


def set_up(cache: Path) -> None:
    """Keep compiled programs between runs, and freed memory within this one.

    An error of a save is said once, not once more for each of its parts.

    Args:
        cache: folder that the programs are in; made if need be.
    """
    host_memory.keep_freed()
    asyncio.set_event_loop_policy(_Loops())
    path = cache.expanduser() / "xla"
    jax.config.update("jax_compilation_cache_dir", str(path))


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that has nobody to tell once it is closed.

    Orbax closes its own with the first part of a save that fails; tensorstore tells it of
    each other part, and prints a traceback where it cannot.
    """

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: object, **context: Any
    ) -> asyncio.Handle | None:
        try:
            return super().call_soon_threadsafe(callback, *args, **context)
        except RuntimeError:
            if not self.is_closed():
                raise
            return None


class _Loops(asyncio.DefaultEventLoopPolicy):
    _loop_factory = _Loop
