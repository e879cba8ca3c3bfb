"""One distillation step at MiniLM size: where the time goes, and what each choice saves.

    python -m benchmarks.step [--length 24]

64 pairs, random weights and ids (time does not depend on them). "step-choices" compares the
step of the presets in configs/ (products of bfloat16 factors where the CPU has them, word
embeddings updated where they are used, layers 1-5 frozen, teacher vectors from the cache, one
length bucket) with steps that lack one of these after the other; the last one is the plain
step. "step-memory" is that of the presets with the memory of its intermediate results kept from
step to step, and without.
"""

import argparse
import dataclasses
import resource
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks import paired, random_step, serve, timing
from optical_jax import host_memory
from optical_jax.config import (
    Config,
    MeshConfig,
    OptimizerConfig,
    StudentConfig,
)
from optical_jax.models import retriever
from optical_jax.models.head import HeadConfig
from optical_jax.models.stack import EncoderOptions
from optical_jax.objectives import transport
from optical_jax.objectives.tokens import TokenBatch
from optical_jax.training import optimizer, sharding

_BATCH, _LONGEST, _ROWS = 64, 64, 39_297
_MINILM = random_step.encoder(384, 6, 12, 1536, vocabulary=_ROWS)
_HEAD = HeadConfig(query_length=_LONGEST)
_FLOAT32 = Config(
    mesh=MeshConfig(data=-1),
    student=StudentConfig(freeze=("encoder/layers/[1-9]",)),
    optimizer=OptimizerConfig(embedding_optimizer="adagrad"),
)
_PRESET = dataclasses.replace(
    _FLOAT32,
    student=dataclasses.replace(
        _FLOAT32.student, compute=EncoderOptions(matmul="auto")
    ),
)
# Adam moves every row of the table.
_WHOLE_TABLE = dataclasses.replace(_FLOAT32, optimizer=OptimizerConfig())
_ALL_LAYERS = Config(mesh=MeshConfig(data=-1))


def _field(rng: np.random.Generator, length: int, width: int, *, cached: bool) -> dict:
    real = rng.integers(max(length - 7, 3), length + 1, _BATCH)
    padded = width
    mask = np.arange(padded) < real[:, None]
    field = {"mask": mask, "scored": mask}
    if cached:
        vectors = rng.normal(size=(_BATCH, padded, 384))
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        return {**field, "vectors": vectors.astype(np.float16)}
    return {**field, "ids": rng.integers(5, 30_000, (_BATCH, padded)).astype(np.int32)}


def _step(config: Config, length: int, width: int, *, cached: bool):  # noqa: ANN202
    """Return a callable that runs one step and returns its metrics."""
    rng = np.random.default_rng(0)
    batch = {
        "student/target": _field(rng, length, width, cached=False),
        "teacher/source": _field(
            rng, length, _LONGEST if cached else width, cached=cached
        ),
    }
    run, mesh = random_step.make(config, _MINILM, _HEAD)
    placed = sharding.to_global(batch, mesh)
    return lambda: run(placed)


def _parts(length: int) -> dict:
    """Callables of the parts of a cached step: forward, with gradients, solver, update."""
    rng = np.random.default_rng(0)
    target = _field(rng, length, length, cached=False)
    source = _field(rng, length, _LONGEST, cached=True)
    params = retriever.init_params(_MINILM, _HEAD, key=jax.random.key(0))
    graph = retriever.graphdef(_MINILM, _HEAD)
    config = Config()
    teacher = TokenBatch(
        jnp.asarray(source["vectors"], jnp.float32), source["mask"], source["mask"]
    )

    def objective(vectors: jax.Array) -> jax.Array:
        student = TokenBatch(vectors, target["mask"], target["mask"])
        encode = SimpleNamespace(
            student=lambda _: student, teacher=lambda _: teacher, progress=0.0
        )
        return transport.loss(encode, config.objective.transport)[0]

    def encode(params: nnx.State) -> jax.Array:
        return nnx.merge(graph, params)(target["ids"], target["mask"])

    tx = optimizer.make(config.optimizer, params, steps=config.steps, freeze=())
    state = tx.init(params)
    forward, loss = jax.jit(encode), jax.jit(objective)
    both = jax.jit(jax.grad(lambda p: objective(encode(p))))
    update = jax.jit(lambda g, s, p: tx.update(g, s, p))
    vectors = forward(params)
    return {
        "forward": lambda: forward(params),
        "transport": lambda: loss(vectors),
        "forward and backward": lambda: both(params),
        "clip and AdamW": lambda: update(params, state, params),
    }


def _choices(length: int, rounds: int) -> list[dict]:
    """Time the preset's step, and steps that lack its choices one after the other."""
    steps = {
        "preset": _step(_PRESET, length, length, cached=True),
        "float32 products": _step(_FLOAT32, length, length, cached=True),
        "and all rows": _step(_WHOLE_TABLE, length, length, cached=True),
        "and all layers": _step(_ALL_LAYERS, length, length, cached=True),
        "and teacher in the step": _step(_ALL_LAYERS, length, length, cached=False),
        "and padded to 64": _step(_ALL_LAYERS, length, _LONGEST, cached=False),
    }
    best = timing.seconds(steps, rounds=rounds)
    parts = timing.seconds(_parts(length), rounds=rounds)
    ours = best.pop("preset")
    more = {
        "length": length,
        "pairs_per_second": round(_BATCH / ours, 1),
        "parts_seconds": {k: round(v, 4) for k, v in parts.items()},
    }
    return [
        timing.row("step-choices", ours, peer, name, **more)
        for name, peer in best.items()
    ]


def _memory(length: int, rounds: int) -> dict:
    """Time the preset's step with and without `host_memory`, a process each."""
    again = [sys.executable, "-m", "benchmarks.step", "--length", str(length)]
    children = {
        way: paired.Child([*again, "--answer", way]) for way in ("kept", "given back")
    }
    best = paired.rounds(children, count=rounds)
    for child in children.values():
        child.close()
    return timing.row(
        "step-memory",
        best["kept"]["seconds"],
        best["given back"]["seconds"],
        "freed memory given back to Linux",
        length=length,
        pages_a_step={way: found["pages"] for way, found in best.items()},
    )


def _answer(length: int, way: str) -> None:
    if way == "kept":
        host_memory.keep_freed()
    step = _step(_PRESET, length, length, cached=True)
    pages = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    def run() -> dict:
        before = pages()
        jax.block_until_ready(step())
        return {"pages": pages() - before}

    serve.serve({}, run)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=24, help="tokens a text, padded")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=("choices", "memory"),
        default=["choices", "memory"],
    )
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    args = parser.parse_args()
    length = args.length
    if args.answer:
        _answer(length, args.answer)
        return
    host_memory.keep_freed()
    rows = _choices(length, args.rounds) if "choices" in args.parts else []
    if "memory" in args.parts:
        rows.append(_memory(length, args.rounds))
    timing.record(rows)


if __name__ == "__main__":
    main()
