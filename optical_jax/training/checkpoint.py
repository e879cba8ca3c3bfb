"""Sharded checkpoints by Orbax: state, data iterator and metrics; the newest and the best.

The frozen teacher is never saved: nothing changes it. A checkpoint appears under its name
only when it is complete, so a killed or failed save leaves the previous one good.
"""

import contextlib
import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grain
import jax
from flax import nnx
from orbax.checkpoint import v1 as ocp

from optical_jax.data import staging
from optical_jax.training.step import TrainState


class Checkpoints:
    """The checkpoints of one run, in `workdir/checkpoints`."""

    def __init__(
        self, workdir: Path, *, keep: int, best_by: str, read_only: bool = False
    ):
        """Open the folder; what an interrupted save left behind is removed.

        Args:
            workdir: the run's folder.
            keep: newest checkpoints kept, beside the best one.
            best_by: the metric that is highest for the best one.
            read_only: leave unfinished saves alone: a running training may own them.
        """
        logging.getLogger("absl").addFilter(_raised_later)
        policies = ocp.training.preservation_policies
        self.folder = workdir / "checkpoints"
        self._best_by = best_by
        self._checkpointer = ocp.training.Checkpointer(
            self.folder.absolute(),
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(
                1
            ),
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(n=keep),
                    policies.BestN(
                        n=1,
                        # A run may have been measured otherwise before it went on.
                        get_metric_fn=lambda metrics: metrics.get(best_by, -math.inf),
                        keep_checkpoints_without_metrics=False,
                    ),
                ]
            ),
            cleanup_tmp_directories=not read_only,
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._checkpointer.close()

    @property
    def latest(self) -> int | None:
        """The newest complete step."""
        found = self._checkpointer.latest
        return None if found is None else int(found.step)

    @property
    def best(self) -> int | None:
        """The best step, the earliest of equals; the newest where none was measured."""
        measured = [
            (c.metrics[self._best_by], -int(c.step))
            for c in self._checkpointer.checkpoints
            if c.metrics and self._best_by in c.metrics
        ]
        return -max(measured)[1] if measured else self.latest

    def save(
        self,
        step: int,
        state: TrainState,
        data: grain.DatasetIterator,
        *,
        metrics: dict[str, float] | None,
    ) -> None:
        """Save in the background; waits for the previous save only.

        Raises:
            OSError: if the disk is full, or too slow by the clock; earlier checkpoints are
                as they were.
        """
        parts = {
            "params": state.params,
            "optimizer": {"step": state.step, "state": state.opt_state},
            "data": data,
        }
        with _explained(self.folder):
            self._checkpointer.save_checkpointables_async(
                step, parts, metrics=metrics, force=True
            )

    def wait(self) -> None:
        """Wait until the save under way, if any, is complete.

        Raises:
            OSError: if the disk is full, or too slow by the clock; earlier checkpoints are
                as they were.
        """
        with _explained(self.folder):
            self._checkpointer.wait()

    def restore(
        self, step: int, abstract: TrainState, data: grain.DatasetIterator
    ) -> TrainState:
        """Load a step straight onto the mesh of `abstract`; data takes its position.

        Raises:
            ValueError: if the checkpoint is truncated or of other shapes.
        """
        wanted = {
            "params": abstract.params,
            "optimizer": {"step": abstract.step, "state": abstract.opt_state},
            "data": data,
        }
        position = self._position(step)
        if position is not None:
            del wanted["data"]
        found = self._load(step, wanted)
        if position is not None:
            data.set_state(position)
        optimizer = found["optimizer"]
        return TrainState(optimizer["step"], found["params"], optimizer["state"])

    def _position(self, step: int) -> dict[str, Any] | None:
        """Return the data's position that another number of processes saved, else None.

        It is a number of batches, the same in each of them; Grain reads its own alone.
        """
        folder = self.folder / str(step) / "data"
        share = f"process_{jax.process_index()}-of-{jax.process_count()}.json"
        other = folder.glob("process_0-of-*.json")
        file = None if (folder / share).is_file() else next(other, None)
        return file and json.loads(file.read_text(encoding="utf-8"))

    def restore_params(self, step: int, abstract: nnx.State) -> nnx.State:
        """Load only the parameters of a step onto one device, whatever mesh saved them.

        Raises:
            ValueError: if the checkpoint is truncated or of other shapes.
        """
        place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        placed = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
            abstract,
        )
        return self._load(step, {"params": placed})["params"]

    def _load(self, step: int, wanted: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._checkpointer.load_checkpointables(step, wanted)
        # Orbax and tensorstore raise what they like on damaged files.
        except Exception as error:  # noqa: BLE001
            raise ValueError(
                f"checkpoint {self.folder / str(step)} is damaged or not of this config "
                f"({' '.join(str(error).split())[:300]}); delete it to go on from the one before"
            ) from error


def _raised_later(record: logging.LogRecord) -> bool:
    """Leave out what Orbax's threads log of an error: it is raised at the next save."""
    return not (record.exc_info and "orbax" in record.pathname)


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    full = (
        f"no space left on the disk while saving to {folder}; earlier checkpoints are as "
        "they were: free some space and run the same command again"
    )
    try:
        with staging.full_disk_explained(full):
            yield
    except TimeoutError as error:
        raise OSError(
            f"saving to {folder} took too long by the clock ({error}): the storage hangs, "
            "or the clock was set; earlier checkpoints are as they were: run the same "
            "command again"
        ) from error
