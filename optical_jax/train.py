"""Train a retriever: `python -m optical_jax.train --config configs/X.py [--field value]`.

One loop for every objective: a student distilled from a frozen teacher, or a teacher of its
own. The same command, run again after a kill, goes on from the newest checkpoint and ends
with the same parameters, bit for bit, on the same mesh.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from optical_jax import command, config_io
from optical_jax.config import Config
from optical_jax.training import (
    checkpoint,
    distributed,
    inputs,
    progress,
    sharding,
    trained,
    workdir,
)
from optical_jax.training import step as step_lib
from optical_jax.training.step import TrainState


@dataclass(frozen=True)
class Result:
    """Where a run stands when it returns."""

    workdir: Path
    step: int
    # Held-out measures of the newest evaluation.
    measures: dict[str, float]
    # Wall time of this call, preparation included.
    seconds: float


def run(config: Config) -> Result:
    """Train as the config says; resumes if the folder holds a run of the same config.

    Raises:
        ValueError: on bad input, before any long work where that can be seen.
        FloatingPointError: if the loss stops being a number; names step and cause.
        SystemExit: after a SIGTERM, with status 0: the run is saved and can go on.
    """
    began = time.time()

    # -------------------------------------------------------------------- mesh and folder
    mesh = sharding.make_mesh(config.mesh)
    sharding.check_batch(
        config.data.batch_size,
        config.optimizer.accumulation,
        mesh,
        chunk=config.optimizer.gradcache_chunk,
    )
    folder = workdir.open_run(config)
    with checkpoint.Checkpoints(
        folder, keep=config.keep, best_by=config.validation.metric
    ) as checkpoints:
        first = checkpoints.latest or 0
        last = min(config.steps, config.stop_after or config.steps)
        with progress.Progress(folder, steps=last, first=first) as shown:
            shown.say(f"run {config.name} in {folder} on {_describe(mesh)}")

            # --------------------------------------------------------- data and encoders
            with distributed.leader_first("inputs"):
                made = inputs.make(config, folder, say=shown.say)
            made = inputs.on_mesh(made, config, folder, mesh)
            epochs = config.steps * config.data.batch_size / made.epoch
            shown.say(
                f"{config.steps} steps of {config.data.batch_size}: {epochs:.2f} epochs"
            )

            # ---------------------------------------------------- state, born on the mesh
            learned, fixed = trained.start(config, made.student)
            state, tx, shardings = _state(config, learned, mesh)
            if first:
                state = checkpoints.restore(first, state, made.batches)
                shown.say(f"resumed from step {first}")
            teacher = made.teacher.params if made.teacher else None
            frozen, frozen_shardings = _placed(step_lib.Frozen(teacher, fixed), mesh)

            # --------------------------------------------------------------- train step
            train_step = step_lib.make_step(
                config,
                made.student,
                made.teacher,
                tx,
                shardings=shardings,
                frozen_shardings=frozen_shardings,
                mesh=mesh,
            )
            with distributed.preemption() as preempted:
                loop = _Loop(config, made, checkpoints, shown, mesh, preempted)
                measures = loop.run(train_step, state, frozen, first, last)
    return Result(folder, last, measures, time.time() - began)


class _Loop:
    """The loop and what it reports; one object a call of `run`."""

    def __init__(
        self,
        config: Config,
        made: inputs.Inputs,
        checkpoints: checkpoint.Checkpoints,
        shown: progress.Progress,
        mesh: Mesh,
        preempted: Callable[[int], bool],
    ):
        self._config = config
        self._made = made
        self._checkpoints = checkpoints
        self._shown = shown
        self._mesh = mesh
        self._preempted = preempted
        self._shapes: set[Any] = set()
        self._measures: dict[str, float] = {}

    def run(
        self,
        train_step: Any,  # noqa: ANN401
        state: TrainState,
        frozen: step_lib.Frozen,
        first: int,
        last: int,
    ) -> dict[str, float]:
        """Go from step first to step last; returns the last held-out measures."""
        config, key = self._config, jax.random.key(self._config.seed)
        if first == 0:
            self._start(state)
        meter = _Meter()
        for step in range(first + 1, last + 1):
            batch = next(self._made.batches)
            new = self._announce(batch)
            placed = sharding.to_global(batch, self._mesh)
            state, metrics = train_step(state, frozen, placed, key)
            if new:  # the rates leave compilation out
                meter.skip(metrics)
            else:
                meter.add(batch, placed)
            self._shown.step(step)
            preempted = step < last and self._preempted(step)
            # There is no time to measure before the machine is taken away.
            evaluated = not preempted and (
                step % config.eval_every == 0 or step == last
            )
            saved = preempted or step % config.save_every == 0 or evaluated
            if step % config.log_every == 0 or saved:
                values = {k: float(v) for k, v in jax.device_get(metrics).items()}
                self._shown.log(step, values | meter.rates())
                self._check_finite(step, values)
                meter = _Meter()
            measures = self._evaluate(step, state) if evaluated else None
            if saved:
                self._checkpoints.save(
                    step, state, self._made.batches, metrics=measures
                )
            if preempted:
                self._stop(step)
            if evaluated:
                meter = _Meter()
        self._checkpoints.wait()
        return self._measures

    def _start(self, state: TrainState) -> None:
        """Measure and keep what the run starts from: training may make it worse."""
        measures = self._evaluate(0, state)
        if self._checkpoints.latest is None:
            self._checkpoints.save(0, state, self._made.batches, metrics=measures)

    def _check_finite(self, step: int, values: dict[str, float]) -> None:
        wrong = [name for name, value in values.items() if not np.isfinite(value)]
        if wrong:
            self._checkpoints.wait()  # the newest may be under way
            raise FloatingPointError(
                f"step {step}: {', '.join(wrong)} is not a number; nothing was saved since "
                f"step {self._checkpoints.latest or 0}, which is good. Lower "
                "optimizer.learning_rate, raise objective.transport.epsilon, or look at "
                "the data around this step"
            )

    def _stop(self, step: int) -> NoReturn:
        """End the process: whoever sent SIGTERM takes the machine away."""
        self._checkpoints.wait()
        self._shown.say(
            f"stopped by SIGTERM; step {step} is saved, the same command goes on from it"
        )
        raise SystemExit(distributed.preempted_status())

    def _announce(self, batch: Any) -> bool:  # noqa: ANN401
        """Tell whether the batch has a new shape, and say that it is compiled."""
        shape = tuple(x.shape for x in jax.tree.leaves(batch))
        if shape in self._shapes:
            return False
        self._shapes.add(shape)
        lengths = {name: v["mask"].shape[-1] for name, v in batch.items()}
        text = ", ".join(f"{name} {n}" for name, n in lengths.items())
        self._shown.say(f"compiling the step for lengths {text}")
        return True

    def _evaluate(self, step: int, state: TrainState) -> dict[str, float]:
        student = self._made.student
        params = trained.whole(self._config, student, state.params, self._mesh)
        self._measures = self._made.held_out.measure(student, params)
        shown = ", ".join(f"{k} {v:.4f}" for k, v in self._measures.items())
        line = f"{shown} of {len(self._made.held_out)} held out"
        self._shown.log(step, self._measures, line=line)
        return self._measures


class _Meter:
    """Pairs and real tokens a second since it was made, skipped steps left out."""

    def __init__(self) -> None:
        self._began = self._last = time.perf_counter()
        self._pairs = self._tokens = 0

    def add(self, batch: Any, whole: Any) -> None:  # noqa: ANN401
        """Count a batch by this host's share of it."""
        masks = [values["mask"] for values in batch.values()]
        pairs = len(next(iter(whole.values()))["mask"])
        self._pairs += pairs
        real = sum(int(np.sum(m)) for m in masks)
        self._tokens += real * pairs // len(masks[0])
        self._last = time.perf_counter()

    def skip(self, metrics: Any) -> None:  # noqa: ANN401
        """Wait for a step and leave the time since the last one out."""
        jax.block_until_ready(metrics)
        now = time.perf_counter()
        self._began += now - self._last
        self._last = now

    def rates(self) -> dict[str, float]:
        """Return pairs_per_second and tokens_per_second; nothing without a pair."""
        if not self._pairs:
            return {}
        seconds = max(time.perf_counter() - self._began, 1e-9)
        return {
            "pairs_per_second": self._pairs / seconds,
            "tokens_per_second": self._tokens / seconds,
        }


def _state(config: Config, learned: nnx.State, mesh: Mesh):  # noqa: ANN202
    """Place what is trained on the mesh and make the optimizer's state there."""
    tx, init = step_lib.initial(config, jax.eval_shape(lambda: learned))
    shardings = sharding.of_state(jax.eval_shape(init, learned), mesh)
    params = sharding.place(learned, shardings.params)
    return jax.jit(init, out_shardings=shardings)(params), tx, shardings


def _placed(frozen: step_lib.Frozen, mesh: Mesh):  # noqa: ANN202
    shardings = sharding.of_state(jax.eval_shape(lambda: frozen), mesh)
    return sharding.place(frozen, shardings), shardings


def _describe(mesh: Mesh) -> str:
    kind = jax.devices()[0].device_kind
    axes = " x ".join(f"{name} {size}" for name, size in mesh.shape.items())
    return f"{jax.device_count()} {kind} ({axes}), {jax.process_count()} process(es)"


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    command.set_up(cache / "optical_jax")
    distributed.start()
    config = config_io.parse(argv, prog="python -m optical_jax.train")
    with distributed.together("the run goes on from its newest checkpoint"):
        run(config)
    return 0


if __name__ == "__main__":
    command.end(main())
