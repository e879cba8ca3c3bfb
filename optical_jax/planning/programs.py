"""The programs of a run compiled ahead of time: train step, corpus encoding, search."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from optical_jax.config import Config, MeshConfig
from optical_jax.models import lora, retriever
from optical_jax.models.retriever import Architecture
from optical_jax.models.stack import EncoderOptions
from optical_jax.planning import compilation, jaxprs, shapes
from optical_jax.planning.compilation import Program
from optical_jax.retrieval import encode, exact
from optical_jax.training import sharding, trained
from optical_jax.training import step as step_lib


def train(
    config: Config, devices: Sequence[Any], *, length: int | None = None
) -> Program:
    """Compile the train step of a config for devices.

    Args:
        config: the run; its mesh is made of the devices.
        devices: of a topology, or of this machine.
        length: see shapes.batch.

    Raises:
        ValueError: on a config that no run could have.
    """
    mesh = sharding.make_mesh(config.mesh, devices)
    sharding.check_batch(
        config.data.batch_size,
        config.optimizer.accumulation,
        mesh,
        chunk=config.optimizer.gradcache_chunk,
    )
    found = shapes.encoders(config)
    batch = shapes.batch(config, found, length=length)
    train_step, given = _step(config, found, batch, mesh)
    state, frozen = given[:2]
    teacher = sharding.of_state(frozen, mesh).teacher
    # A teacher whose vectors are cached is no argument, but lies in memory all the same.
    unused = all("ids" not in v for k, v in batch.items() if k.startswith("teacher/"))
    held = _held(frozen.teacher, teacher) if found.teacher and unused else 0.0
    plain = dataclasses.replace(
        config,
        student=dataclasses.replace(
            config.student, compute=EncoderOptions(scan=config.student.compute.scan)
        ),
        optimizer=dataclasses.replace(config.optimizer, gradcache_chunk=0),
    )
    needed, _ = _step(plain, found, batch, mesh)
    return compilation.compiled(
        "train",
        lambda: train_step.trace(*given),
        mesh,
        examples=config.data.batch_size,
        held=held,
        model_flops=jaxprs.flops(needed.trace(*given).jaxpr) / mesh.size,
    )


def encoding(config: Config, devices: Sequence[Any], *, per_device: int) -> Program:
    """Compile the encoding of documents by the encoder of the index.

    Args:
        config: the run; its teacher encodes, or its student if it has no teacher.
        devices: each encodes texts of its own.
        per_device: texts that one encodes at once.
    """
    mesh = sharding.make_mesh(MeshConfig(), devices)
    found = shapes.encoders(config)
    who = found.teacher or found.student
    ids = jax.ShapeDtypeStruct(
        (per_device * mesh.size, who.head.document_length), jnp.int32
    )
    mask = jax.ShapeDtypeStruct(ids.shape, bool)
    rows, whole = NamedSharding(mesh, P("data")), sharding.replicated(mesh)
    params = _placed(retriever.abstract_params(who.encoder, who.head), whole)
    trace = lambda: encode.encode_batch.trace(
        params,
        _placed(ids, rows),
        _placed(mask, rows),
        encoder=who.encoder,
        head=who.head,
        dtype=jnp.dtype(config.dtype),
        weighed=False,
    )
    return compilation.compiled("encode", trace, mesh, examples=len(ids))


def searching(config: Config, devices: Sequence[Any], *, queries: int = 32) -> Program:
    """Compile the MaxSim scores of a block of documents, on one device.

    Args:
        config: the run.
        devices: the first one is taken.
        queries: that are scored at once.
    """
    mesh = sharding.make_mesh(MeshConfig(), devices[:1])
    who = shapes.encoders(config).student
    head, whole = who.head, sharding.replicated(mesh)
    pooled = head.kind == "single-vector"
    n = 1 if pooled else head.document_length
    m = 1 if pooled else head.query_length
    docs = max(1, exact.TILE_TOKENS_ACCELERATOR // n)
    given = [
        jax.ShapeDtypeStruct((docs, n, who.width), jnp.float32),
        jax.ShapeDtypeStruct((docs,), jnp.int32),
        jax.ShapeDtypeStruct((queries * m, who.width), jnp.float32),
        jax.ShapeDtypeStruct((queries, m), jnp.int32),
    ]
    trace = lambda: exact.score_block.trace(*_placed(given, whole), tile=docs)
    return compilation.compiled("search", trace, mesh, examples=docs)


def mesh_of(config: Config, devices: Sequence[Any]) -> dict[str, int]:
    """Return the size of each axis of a run's mesh."""
    return dict(sharding.make_mesh(config.mesh, devices).shape)


def _step(
    config: Config, found: shapes.Encoders, batch: shapes.Batch, mesh: Mesh
) -> tuple[Any, tuple]:
    """Return the jitted step, and shapes of what it is called with."""
    abstract = trained.abstract(config, found.student)
    tx, init = step_lib.initial(config, abstract)
    state = jax.eval_shape(init, abstract)
    frozen = step_lib.Frozen(
        None if found.teacher is None else _params(found.teacher),
        _fixed(config, found.student),
    )
    train_step = step_lib.make_step(
        config,
        found.student,
        found.teacher,
        tx,
        shardings=sharding.of_state(state, mesh),
        frozen_shardings=sharding.of_state(frozen, mesh),
        mesh=mesh,
    )
    key = jax.eval_shape(lambda: jax.random.key(0))
    return train_step, (state, frozen, batch, key)


def _params(who: Architecture) -> Any:  # noqa: ANN401
    return retriever.abstract_params(who.encoder, who.head)


def _fixed(config: Config, student: Architecture) -> Any:  # noqa: ANN401
    adapters = config.student.lora
    if not adapters.rank:
        return None
    dtype = jnp.dtype(config.dtype)
    return jax.eval_shape(
        lambda params: lora.fixed(params, adapters, dtype=dtype), _params(student)
    )


def _placed(abstract: Any, where: NamedSharding) -> Any:  # noqa: ANN401
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), abstract
    )


def _held(abstract: Any, where: Any) -> float:  # noqa: ANN401
    leaves = zip(jax.tree.leaves(abstract), jax.tree.leaves(where), strict=True)
    sizes = (
        float(np.prod(s.shard_shape(x.shape))) * x.dtype.itemsize for x, s in leaves
    )
    return sum(sizes, 0.0)
