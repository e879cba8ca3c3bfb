"""The train step: encode, objective, gradients, update; one function for every mesh."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh

from optical_jax.config import Config
from optical_jax.models import retriever
from optical_jax.models.retriever import Architecture, Retriever
from optical_jax.objectives import mixture
from optical_jax.training import (
    batch_encoder,
    gradcache,
    optimizer,
    sharding,
    trained,
    used_rows,
)
from optical_jax.training.batch_encoder import BatchEncoder


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["step", "params", "opt_state"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that training changes; the frozen teacher is no part of it.

    Leaves are arrays, or their shapes or shardings: all three travel in this form.
    """

    step: Any
    params: Any
    opt_state: Any


class Frozen(NamedTuple):
    """Parameters that stay as they are, or their shardings; None where there are none."""

    teacher: Any = None
    # Of a student of which adapters are trained.
    student: Any = None


def initial(
    config: Config, abstract: nnx.State
) -> tuple[optax.GradientTransformation, Callable[[nnx.State], TrainState]]:
    """Return the optimizer, and what makes the first state of trained parameters.

    Args:
        config: the run.
        abstract: shapes and paths of the trained parameters.
    """
    tx = optimizer.make(
        config.optimizer, abstract, steps=config.steps, freeze=config.student.freeze
    )
    return tx, lambda params: TrainState(
        jnp.zeros((), jnp.int32), params, tx.init(params)
    )


def _stopped(is_fixed: bool, leaf: Any) -> Any:  # noqa: ANN401
    return jax.lax.stop_gradient(leaf) if is_fixed else leaf


def make_step(
    config: Config,
    student: Retriever | Architecture,
    teacher: Retriever | Architecture | None,
    tx: optax.GradientTransformation,
    *,
    shardings: TrainState,
    frozen_shardings: Frozen,
    mesh: Mesh,
) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
    """Return the jitted `(state, frozen, batch, key) -> (state, metrics)`.

    Frozen parameters are an argument: closing over them would bake the weights into the
    program. The state's buffers are donated.
    """
    dtype = jnp.dtype(config.dtype)
    options = config.student.compute.on(mesh.devices.flat[0].platform)
    student_graph = retriever.graphdef(
        student.encoder,
        student.head,
        dropout=config.student.dropout,
        dtype=dtype,
        options=options,
        adapters=config.student.lora,
    )
    teacher_graph = None
    if teacher is not None:
        teacher_graph = retriever.graphdef(
            teacher.encoder,
            teacher.head,
            dtype=dtype,
            options=dataclasses.replace(options, remat="none"),
        )
    abstract = trained.abstract(config, student)
    fixed = optimizer.frozen(abstract, config.student.freeze)
    by_rows = used_rows.serves(config, abstract)
    kept = getattr(student.encoder, "first_position", 0)

    def loss_and_grads(params, frozen, batch, key, progress):  # noqa: ANN001, ANN202
        encoder = BatchEncoder(
            batch,
            student_graph,
            params,
            teacher_graph,
            frozen.teacher,
            key if config.student.dropout else None,
            progress,
            config.objective.weighed(),
        )

        def learned(params):  # noqa: ANN001, ANN202
            # No time is spent on gradients that no update uses.
            params = jax.tree.map(_stopped, fixed, params)
            if frozen.student is None:
                return params
            return nnx.merge_state(frozen.student, params)

        if config.optimizer.gradcache_chunk:
            return _by_chunks(config, encoder, learned)

        def loss_fn(params):  # noqa: ANN001, ANN202
            encode = dataclasses.replace(
                encoder, student_params=learned(params), encoded={}
            )
            return mixture.loss(encode, config.objective)

        return jax.value_and_grad(loss_fn, has_aux=True)(params)

    def train_step(state, frozen, batch, key):  # noqa: ANN001, ANN202
        key = jax.random.fold_in(key, state.step)
        progress = state.step.astype(jnp.float32) / config.steps
        before = state
        if by_rows:
            state, batch, rows = used_rows.narrow(before, batch, kept)
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            (value, metrics), grads = _accumulated(
                functools.partial(loss_and_grads, progress=progress),
                state.params,
                frozen,
                batch,
                key,
                config,
            )
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        after = TrainState(state.step + 1, params, opt_state)
        if by_rows:
            after = used_rows.widen(after, before, rows)
        metrics = {"loss": value, "grad_norm": optax.tree.norm(grads), **metrics}
        return after, metrics

    whole = sharding.replicated(mesh)
    return jax.jit(
        train_step,
        in_shardings=(
            shardings,
            frozen_shardings,
            sharding.batch_sharding(mesh),
            whole,
        ),
        out_shardings=(shardings, whole),
        donate_argnames="state",
    )


def _by_chunks(
    config: Config,
    encoder: BatchEncoder,
    learned: Callable[[nnx.State], nnx.State],
) -> Any:  # noqa: ANN401
    """Return loss, metrics and gradients; the student encodes a chunk at a time."""
    keys = [f"{who}/{f}" for who, f in config.objective.kinds() if who == "student"]
    fields = {key: batch_encoder.flat(encoder.batch[key]) for key in keys}

    def loss_fn(found: dict[str, dict[str, jax.Array]]) -> Any:  # noqa: ANN401
        encoded = {
            key: batch_encoder.token_batch(found[key], fields[key]) for key in keys
        }
        encode = dataclasses.replace(encoder, encoded=encoded)
        return mixture.loss(encode, config.objective)

    def encode_rows(
        params: nnx.State, key: str, rows: dict[str, jax.Array], chunk: jax.Array
    ) -> dict[str, jax.Array]:
        return encoder.student_texts(key, rows, learned(params), chunk)

    return gradcache.value_and_grad(
        loss_fn,
        encode_rows,
        encoder.student_params,
        {key: {k: rows[k] for k in ("ids", "mask")} for key, rows in fields.items()},
        chunk=config.optimizer.gradcache_chunk,
    )


def _accumulated(  # noqa: ANN202
    loss_and_grads: Callable[..., Any],
    params: nnx.State,
    frozen: Frozen,
    batch: Any,  # noqa: ANN401
    key: jax.Array,
    config: Config,
):
    """Return loss, metrics and gradients, the means over equal parts of the batch."""
    parts = config.optimizer.accumulation
    if parts == 1:
        return loss_and_grads(params, frozen, batch, key)
    # Part i takes every parts-th row, so that each device works on rows it holds.
    split = jax.tree.map(
        lambda x: jnp.moveaxis(
            x.reshape(x.shape[0] // parts, parts, *x.shape[1:]), 1, 0
        ),
        batch,
    )

    def body(total: Any, part: Any) -> tuple[Any, None]:  # noqa: ANN401
        i, rows = part
        one = loss_and_grads(params, frozen, rows, jax.random.fold_in(key, i))
        return jax.tree.map(jnp.add, total, one), None

    shapes = jax.eval_shape(
        loss_and_grads, params, frozen, jax.tree.map(lambda x: x[0], split), key
    )
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    total, _ = jax.lax.scan(body, zeros, (jnp.arange(parts), split))
    return jax.tree.map(lambda x: x / parts, total)
