"""What a run shows and leaves: a live line, metrics.jsonl, TensorBoard files."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import tensorboardX
from rich import console, progress

from optical_jax.data import textfile
from optical_jax.training import distributed

# Prints a line, as `Progress.say` does.
Say = Callable[[str], None]


class Progress:
    """Live progress on a terminal, plain lines elsewhere; only process 0 writes."""

    def __init__(self, workdir: Path, *, steps: int, first: int):
        """Open the logs; lines after step `first` of an earlier run are dropped.

        Args:
            workdir: the run's folder.
            steps: where the run ends.
            first: step it starts from.
        """
        self._leader = distributed.is_leader()
        self.console = console.Console(quiet=not self._leader, highlight=False)
        self._bar = progress.Progress(
            progress.TextColumn("[bold]{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[shown]}"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("train", total=steps, completed=first, shown="")
        self._board = self._log = None
        if self._leader:
            path = workdir / "metrics.jsonl"
            _truncate(path, first)
            self._log = path.open("a", encoding="utf-8")
            self._board = tensorboardX.SummaryWriter(
                str(workdir / "tensorboard"), purge_step=first + 1
            )
        self._began = time.time()

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if self._log is not None:
            self._log.close()
            self._board.close()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(text)

    def step(self, step: int) -> None:
        """Advance the bar."""
        self._bar.update(self._task, completed=step)

    def log(
        self, step: int, values: dict[str, float], *, line: str | None = None
    ) -> None:
        """Write scalars of a step everywhere, and show the main ones.

        Args:
            step: their step.
            values: the scalars.
            line: printed instead of them, on a terminal too.
        """
        shown = " ".join(
            f"{name} {values[name]:.4g}"
            for name in ("loss", "pairs_per_second", "tokens_per_second")
            if name in values
        )
        if shown:
            self._bar.update(self._task, shown=shown)
        if line is None and not self.console.is_terminal:
            line = " ".join(f"{k} {v:.5g}" for k, v in values.items())
        if line is not None:
            self.say(f"step {step}: {line}")
        if self._log is None:
            return
        seconds = round(time.time() - self._began, 3)
        self._log.write(json.dumps({"step": step, "seconds": seconds, **values}) + "\n")
        self._log.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)


def _truncate(path: Path, step: int) -> None:
    """Drop lines of later steps: a resumed run will write them again."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError):
            continue  # a line cut off by a kill
    textfile.write(path, "".join(kept))
