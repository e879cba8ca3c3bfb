"""What a run shows and leaves: a live line, metrics.jsonl, TensorBoard files."""

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from rich import console, progress
from tensorboardX import event_file_writer, proto, summary

from optical_jax.data import staging, textfile
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
        self._full = (
            f"no space left on the disk while writing the log of {workdir}; checkpoints are "
            "as they were: free some space and run the same command again"
        )
        if self._leader:
            path = workdir / "metrics.jsonl"
            with staging.full_disk_explained(self._full):
                _truncate(path, first)
                self._log = path.open("a", encoding="utf-8")
                self._board = _Board(workdir / "tensorboard", first=first + 1)
        self._began = time.time()

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._bar.stop()
        if self._log is None:
            return
        try:
            with (
                staging.full_disk_explained(self._full),
                contextlib.ExitStack() as both,
            ):
                both.callback(self._board.close)
                both.callback(self._log.close)
        except OSError:
            # What ended the run is said, not what came of it.
            if kind is None:
                raise

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
        row = {"step": step, "seconds": seconds, **values}
        with staging.full_disk_explained(self._full):
            self._log.write(json.dumps(row) + "\n")
            self._log.flush()
            self._board.add(step, values)


class _Board:
    """Scalars for TensorBoard, written at once.

    tensorboardX's SummaryWriter writes them in a thread, which a full disk ends: the queue
    that nobody reads is full soon, and the run waits for ever.
    """

    def __init__(self, folder: Path, *, first: int):
        folder.mkdir(parents=True, exist_ok=True)
        self._events = event_file_writer.EventsWriter(str(folder / "events"))
        # What an earlier call of the run logged from this step on is hidden.
        log = proto.event_pb2.SessionLog
        self._write(first, session_log=log(status=log.START))

    def add(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._write(step, summary=summary.scalar(name, value))
        self._events.flush()

    def _write(self, step: int, **content: object) -> None:
        event = proto.event_pb2.Event(step=step, wall_time=time.time(), **content)
        self._events.write_event(event)

    def close(self) -> None:
        self._events.close()


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
