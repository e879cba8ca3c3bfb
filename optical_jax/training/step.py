"""The train step: encode, objective, gradients, update; one function for every mesh."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh

from optical_jax.config import Config
from optical_jax.models import retriever
from optical_jax.models.retriever import Retriever
from optical_jax.objectives import mixture, tokens
from optical_jax.objectives.tokens import TokenBatch
from optical_jax.training import gradcache, optimizer, sharding

# Arrays of a field with an entry a token; others have an entry an example.
_TOKEN_ARRAYS = ("ids", "mask", "scored", "vectors", *sorted(tokens.WEIGHED))


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


@dataclasses.dataclass(frozen=True)
class _Encoder:
    """Encodes the fields of one batch: what an objective is given."""

    batch: dict[str, Any]
    student_graph: nnx.GraphDef
    student_params: nnx.State
    teacher_graph: nnx.GraphDef | None
    teacher_params: nnx.State | None
    key: jax.Array | None
    progress: jax.Array
    # Texts that are encoded with norm and attention.
    weighed: frozenset[str]
    encoded: dict[str, TokenBatch] = dataclasses.field(default_factory=dict)

    def student(self, field: str) -> TokenBatch:
        key = f"student/{field}"
        if key not in self.encoded:
            values = _flat(self.batch[key])
            found = self.student_texts(key, values, self.student_params)
            self.encoded[key] = _tokens(found, values)
        return self.encoded[key]

    def student_texts(
        self,
        key: str,
        values: dict[str, jax.Array],
        params: nnx.State,
        chunk: jax.Array | int = 0,
    ) -> dict[str, jax.Array]:
        """Encode rows of a field; dropout depends on the field and on the rows' chunk."""
        rngs = None
        if self.key is not None:
            field = jax.random.fold_in(self.key, sorted(self.batch).index(key))
            rngs = nnx.Rngs(dropout=jax.random.fold_in(field, chunk))
        model = nnx.merge(self.student_graph, params)
        return self._forward(model, key, values, rngs)

    def teacher(self, field: str) -> TokenBatch:
        key = f"teacher/{field}"
        if key not in self.encoded:
            values = _flat(self.batch[key])
            if "vectors" in values:
                kept = {"vectors", *tokens.WEIGHED} & values.keys()
                found = {name: values[name].astype(jnp.float32) for name in kept}
            else:
                model = nnx.merge(self.teacher_graph, self.teacher_params)
                found = self._forward(model, key, values, None)
                found = jax.lax.stop_gradient(found)
            self.encoded[key] = _tokens(found, values)
        return self.encoded[key]

    def _forward(
        self,
        model: retriever.RetrievalModel,
        key: str,
        values: dict[str, jax.Array],
        rngs: nnx.Rngs | None,
    ) -> dict[str, jax.Array]:
        if key in self.weighed:
            return model.weighed(values["ids"], values["mask"], rngs=rngs)._asdict()
        return {"vectors": model(values["ids"], values["mask"], rngs=rngs)}

    def array(self, key: str, name: str) -> jax.Array:
        return self.batch[key][name]


def _stopped(is_fixed: bool, leaf: Any) -> Any:  # noqa: ANN401
    return jax.lax.stop_gradient(leaf) if is_fixed else leaf


def _flat(values: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Bring a field of several texts an example, [b texts l], to [b * texts, l]."""
    if values["mask"].ndim == 2:
        return values
    kept = {k: v for k, v in values.items() if k in _TOKEN_ARRAYS}
    return {k: v.reshape(-1, *v.shape[2:]) for k, v in kept.items()}


def _tokens(found: dict[str, jax.Array], values: dict[str, jax.Array]) -> TokenBatch:
    mask, scored = values["mask"], values["scored"]
    if found["vectors"].shape[1] != mask.shape[1]:  # a single-vector head
        mask = scored = jnp.ones(found["vectors"].shape[:2], bool)
    return TokenBatch(mask=mask, scored=scored, **found)


def make_step(
    config: Config,
    student: Retriever,
    teacher: Retriever | None,
    tx: optax.GradientTransformation,
    *,
    shardings: TrainState,
    teacher_shardings: Any,  # noqa: ANN401
    mesh: Mesh,
) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
    """Return the jitted `(state, teacher_params, batch, key) -> (state, metrics)`.

    The teacher's parameters are an argument: closing over them would bake the weights
    into the program. The state's buffers are donated.
    """
    dtype = jnp.dtype(config.dtype)
    student_graph = retriever.graphdef(
        student.encoder, student.head, dropout=config.student.dropout, dtype=dtype
    )
    teacher_graph = None
    if teacher is not None:
        teacher_graph = retriever.graphdef(teacher.encoder, teacher.head, dtype=dtype)
    fixed = optimizer.frozen(
        retriever.abstract_params(student.encoder, student.head), config.student.freeze
    )

    def loss_and_grads(params, teacher_params, batch, key, progress):  # noqa: ANN001, ANN202
        encoder = _Encoder(
            batch,
            student_graph,
            params,
            teacher_graph,
            teacher_params,
            key if config.student.dropout else None,
            progress,
            config.objective.weighed(),
        )

        def learned(params):  # noqa: ANN001, ANN202
            # No time is spent on gradients that no update uses.
            return jax.tree.map(_stopped, fixed, params)

        if config.optimizer.gradcache_chunk:
            return _by_chunks(config, encoder, learned)

        def loss_fn(params):  # noqa: ANN001, ANN202
            encode = dataclasses.replace(
                encoder, student_params=learned(params), encoded={}
            )
            return mixture.loss(encode, config.objective)

        return jax.value_and_grad(loss_fn, has_aux=True)(params)

    def train_step(state, teacher_params, batch, key):  # noqa: ANN001, ANN202
        key = jax.random.fold_in(key, state.step)
        progress = state.step.astype(jnp.float32) / config.steps
        (value, metrics), grads = _accumulated(
            functools.partial(loss_and_grads, progress=progress),
            state.params,
            teacher_params,
            batch,
            key,
            config,
        )
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {"loss": value, "grad_norm": optax.tree.norm(grads), **metrics}
        return TrainState(state.step + 1, params, opt_state), metrics

    whole = sharding.replicated(mesh)
    return jax.jit(
        train_step,
        in_shardings=(
            shardings,
            teacher_shardings,
            sharding.batch_sharding(mesh),
            whole,
        ),
        out_shardings=(shardings, whole),
        donate_argnames="state",
    )


def _by_chunks(
    config: Config,
    encoder: _Encoder,
    learned: Callable[[nnx.State], nnx.State],
) -> Any:  # noqa: ANN401
    """Return loss, metrics and gradients; the student encodes a chunk at a time."""
    keys = [f"{who}/{f}" for who, f in config.objective.kinds() if who == "student"]
    fields = {key: _flat(encoder.batch[key]) for key in keys}

    def loss_fn(found: dict[str, dict[str, jax.Array]]) -> Any:  # noqa: ANN401
        encoded = {key: _tokens(found[key], fields[key]) for key in keys}
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
    teacher_params: nnx.State | None,
    batch: Any,  # noqa: ANN401
    key: jax.Array,
    config: Config,
):
    """Return loss, metrics and gradients, the means over equal parts of the batch."""
    parts = config.optimizer.accumulation
    if parts == 1:
        return loss_and_grads(params, teacher_params, batch, key)
    # Part i takes every parts-th row, so that each device works on rows it holds.
    split = jax.tree.map(
        lambda x: jnp.moveaxis(
            x.reshape(x.shape[0] // parts, parts, *x.shape[1:]), 1, 0
        ),
        batch,
    )

    def body(total: Any, part: Any) -> tuple[Any, None]:  # noqa: ANN401
        i, rows = part
        one = loss_and_grads(params, teacher_params, rows, jax.random.fold_in(key, i))
        return jax.tree.map(jnp.add, total, one), None

    shapes = jax.eval_shape(
        loss_and_grads, params, teacher_params, jax.tree.map(lambda x: x[0], split), key
    )
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    total, _ = jax.lax.scan(body, zeros, (jnp.arange(parts), split))
    return jax.tree.map(lambda x: x / parts, total)
