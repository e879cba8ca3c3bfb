"""The programs of a run compiled ahead of time: train step, corpus encoding, search."""

import dataclasses
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from optical_jax.planning import collectives, counts, hlo, jaxprs, shapes
from optical_jax.planning.collectives import Collective
from optical_jax.retrieval import encode, search
from optical_jax.training import sharding, trained
from optical_jax.training import step as step_lib

_SHORT_OF_MEMORY = re.compile(r"([\d.]+)([KMGT])[^\d.]*exceeds[^\d.]*([\d.]+)([KMGT])")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, kw_only=True)
class Program:
    """What the compiler says of one program, for one device; sizes in bytes.

    Attributes:
        name: "train", "encode" or "search".
        examples: pairs or texts that all devices work through in one run of it.
        arguments: parameters, optimizer state and batch.
        held: what lies in memory beside, for other programs of the run.
        temporaries: what it needs while it runs; all that it needs, where it does not fit.
        outputs: results that do not take an argument's place.
        code: the program itself.
        refused: the compiler's message if the program does not fit.
        flops: of matrix products it executes, loops and recomputation included.
        model_flops: of matrix products the model needs, recomputation left out.
        bytes_accessed: traffic with the main memory.
        collectives: what goes over the network.
        unknown_loops: loops whose trips could not be told, which are counted once.
        seconds: it took to compile.
    """

    name: str
    examples: int
    arguments: float = 0.0
    held: float = 0.0
    temporaries: float = 0.0
    outputs: float = 0.0
    code: float = 0.0
    refused: str = ""
    flops: float = 0.0
    model_flops: float = 0.0
    bytes_accessed: float = 0.0
    collectives: tuple[Collective, ...] = ()
    unknown_loops: int = 0
    seconds: float = 0.0

    @property
    def memory(self) -> float:
        """Bytes of a device's memory in all."""
        parts = (self.arguments, self.held, self.temporaries, self.outputs, self.code)
        return sum(parts, 0.0)

    @property
    def sent(self) -> float:
        """Bytes that a device sends in one run."""
        return sum((one.sent for one in self.collectives), 0.0)


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
    return _compiled(
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
    return _compiled("encode", trace, mesh, examples=len(ids))


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
    docs = max(1, search.BLOCK_TOKENS_ACCELERATOR // n)
    given = [
        jax.ShapeDtypeStruct((docs, n, who.width), jnp.float32),
        jax.ShapeDtypeStruct((docs,), jnp.int32),
        jax.ShapeDtypeStruct((queries * m, who.width), jnp.float32),
        jax.ShapeDtypeStruct((queries, m), jnp.int32),
    ]
    trace = lambda: search.score_block.trace(*_placed(given, whole))
    return _compiled("search", trace, mesh, examples=docs)


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


def _compiled(
    name: str,
    trace: Callable[[], Any],
    mesh: Mesh,
    *,
    examples: int,
    held: float = 0.0,
    model_flops: float | None = None,
) -> Program:
    began = time.perf_counter()
    traced = trace()
    if model_flops is None:
        model_flops = jaxprs.flops(traced.jaxpr) / mesh.size
    known = {
        "name": name,
        "examples": examples,
        "held": held,
        "model_flops": model_flops,
    }
    try:
        compiled, text = _compile(traced, mesh)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        taken = time.perf_counter() - began
        message = str(error).split("\n")[0]
        needed = needed_bytes(message)
        return Program(**known, refused=message, temporaries=needed, seconds=taken)
    memory = compiled.memory_analysis()
    module = hlo.parse(text)
    return Program(
        **known,
        arguments=float(memory.argument_size_in_bytes),
        temporaries=float(memory.temp_size_in_bytes),
        outputs=float(memory.output_size_in_bytes - memory.alias_size_in_bytes),
        code=float(memory.generated_code_size_in_bytes),
        flops=counts.flops(module),
        bytes_accessed=counts.bytes_accessed(module),
        collectives=tuple(collectives.find(module, dict(mesh.shape))),
        unknown_loops=len(module.unknown_loops),
        seconds=time.perf_counter() - began,
    )


def _compile(traced: Any, mesh: Mesh) -> tuple[jax.stages.Compiled, str]:  # noqa: ANN401
    """Compile, and return the program as the compiler writes it.

    A TPU's is written to a file while it compiles: jax can not read back every program of a
    libtpu that is newer than it is (Qwen3-8B on v6e by libtpu 0.0.52: "async-update
    instruction should have 1 operands but sees 3").
    """
    lowered = traced.lower()
    if mesh.devices.flat[0].platform != "tpu":
        compiled = lowered.compile()
        return compiled, compiled.as_text()
    with tempfile.TemporaryDirectory() as folder:
        options = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True}
        compiled = lowered.compile(compiler_options=options)
        (written,) = Path(folder).glob("*.after_optimizations.txt")
        return compiled, written.read_text()


def needed_bytes(message: str) -> float:
    """Return the bytes that a refused program needs by the compiler's message; 0: unsaid."""
    found = _SHORT_OF_MEMORY.search(message)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0
