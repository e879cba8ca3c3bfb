r"""The distillation step against PyTorch, on batches with the lengths of real sentences.

    python -m benchmarks.peer_step --python PYTHON [--models minilm base] \
        [--bitext "configs/X.py --data.root RAW"] [--tokenizer FOLDER]

PYTHON has torch and transformers (`benchmarks/torch_step.py`). Pairs are drawn from the bitext, or
the built-in sample; ids and weights are random. Two rows for each precision, of pairs a second:

    as trained    the config's step as `train` runs it: teacher vectors from the cache,
                  batches of similar length
    same work     teacher in the step, all layers and embeddings by Adam, PyTorch's own batches

against plain torch, and torch.compile where it works. Without a config the first is the step of
the presets in configs/: used rows by Adagrad, the first layer.
"""

import argparse
import dataclasses
import shlex
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np

from benchmarks import paired, random_step, serve, step_batches, timing
from optical_jax import config_io, host_memory
from optical_jax.config import Config, DataConfig, OptimizerConfig, StudentConfig
from optical_jax.models.head import HeadConfig
from optical_jax.objectives import transport
from optical_jax.objectives.mixture import ObjectiveConfig
from optical_jax.objectives.tokens import TokenBatch
from optical_jax.training import sharding

_TORCH = Path(__file__).with_name("torch_step.py")
_PROJECTION = 128
SIZES = {
    "tiny": (32, 2, 2, 64),
    "minilm": (384, 6, 12, 1536),
    "base": (768, 12, 12, 3072),
}
WAYS = ("as trained", "same work")
PEERS = ("torch", "torch.compile")


def config_of(bitext: str | None, way: str, precision: str) -> Config:
    """Return the run whose step is timed."""
    if bitext is None:
        config = Config(
            student=StudentConfig(freeze=("encoder/layers/[1-9]",)),
            data=DataConfig(batch_size=32),
            optimizer=OptimizerConfig(embedding_optimizer="adagrad"),
        )
    else:
        argv = ["--config", *shlex.split(bitext)]
        config = config_io.parse(argv, prog="python -m benchmarks.peer_step")
    matmul = "bfloat16" if precision == "bfloat16" else "default"
    student = dataclasses.replace(
        config.student,
        compute=dataclasses.replace(config.student.compute, matmul=matmul),
    )
    config = dataclasses.replace(
        config,
        student=student,
        # Random ids have no translations to align: no other objective is timed, nor links.
        objective=ObjectiveConfig(
            transport=dataclasses.replace(
                config.objective.transport, marginals="tokens", link_weight=0.0
            )
        ),
    )
    if way == "as trained":
        return config
    return dataclasses.replace(
        config,
        student=dataclasses.replace(student, freeze=()),
        optimizer=OptimizerConfig(),
    )


def answer(args: argparse.Namespace) -> None:
    """Serve one of our ways: a run is a step for each batch."""
    # As the command does.
    host_memory.keep_freed()
    way, folder = args.answer[0], Path(args.answer[1])
    config = config_of(args.bitext, way, args.precision[0])
    encoder = random_step.encoder(*SIZES[args.models[0]], vocabulary=args.vocabulary)
    name = "sorted" if way == "as trained" else "drawn"
    found = step_batches.read(folder / f"{name}.npz")
    head = HeadConfig(projection=_PROJECTION, query_length=_longest(found))
    step, mesh = random_step.make(config, encoder, head)
    cached = way == "as trained"
    batches = [_fields(batch, head.query_length, cached=cached) for batch in found]
    placed = [sharding.to_global(batch, mesh) for batch in batches]

    def run() -> dict:
        metrics = [step(batch) for batch in placed]
        return {"loss": float(jax.block_until_ready(metrics)[-1]["loss"])}

    serve.serve({"transport_seconds": _transport(config, batches)}, run)


def _longest(batches: list[dict[str, np.ndarray]]) -> int:
    return max(batch["source_ids"].shape[1] for batch in batches)


def _fields(batch: dict[str, np.ndarray], longest: int, *, cached: bool) -> dict:
    source, target = batch["source_mask"], batch["target_mask"]
    fields = {
        "student/target": {"ids": batch["target_ids"], "mask": target, "scored": target}
    }
    if not cached:
        teacher = {"ids": batch["source_ids"], "mask": source, "scored": source}
        return fields | {"teacher/source": teacher}
    # Cached vectors come padded to the longest of all batches, as in training.
    mask = np.pad(source, ((0, 0), (0, longest - source.shape[1])))
    vectors = np.random.default_rng(0).standard_normal((*mask.shape, _PROJECTION))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    teacher = {"mask": mask, "scored": mask, "vectors": vectors.astype(np.float16)}
    return fields | {"teacher/source": teacher}


def _transport(config: Config, batches: list[dict]) -> float:
    """Return the seconds of the objective alone, with its gradient, over all batches."""

    def loss(vectors: jax.Array, teacher: jax.Array, masks: tuple) -> jax.Array:
        encoded = SimpleNamespace(
            student=lambda _: TokenBatch(vectors, masks[0], masks[0]),
            teacher=lambda _: TokenBatch(teacher, masks[1], masks[1]),
            progress=0.0,
        )
        return transport.loss(encoded, config.objective.transport)[0]

    both = jax.jit(jax.value_and_grad(loss))
    rng, given = np.random.default_rng(0), []
    for batch in batches:
        masks = tuple(batch[k]["mask"] for k in ("student/target", "teacher/source"))
        x, y = (rng.standard_normal((*m.shape, _PROJECTION), np.float32) for m in masks)
        unit = lambda v: v / np.linalg.norm(v, axis=-1, keepdims=True)
        given.append((unit(x), unit(y), masks))
    run = lambda: jax.block_until_ready([both(*each) for each in given])
    run()
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return best


def measure(
    args: argparse.Namespace, folder: Path, model: str, precision: str
) -> list[dict]:
    """Time our ways and torch's in turns; return the rows of one model and precision."""
    config = config_of(args.bitext, "as trained", precision)
    again = [
        *("--models", model, "--precision", precision),
        *("--vocabulary", str(args.vocabulary)),
        *(("--bitext", args.bitext) if args.bitext else ()),
    ]
    own = [sys.executable, "-m", "benchmarks.peer_step", *again]
    solver = config.objective.transport
    torch = [
        *(args.python, str(_TORCH), str(folder), "--model", model),
        *("--precision", precision, "--vocabulary", str(args.vocabulary)),
        *("--projection", str(_PROJECTION)),
        *("--epsilon", str(solver.epsilon), "--iterations", str(solver.iterations)),
    ]
    commands = {way: [*own, "--answer", way, str(folder)] for way in args.ways}
    peers = {"torch": torch, "torch.compile": [*torch, "--compile"]}
    commands |= {name: peers[name] for name in args.peers}
    children = {name: paired.Child(command) for name, command in commands.items()}
    broken = {
        name: child.ready["error"]
        for name, child in children.items()
        if "error" in child.ready
    }
    best = paired.rounds(
        {name: child for name, child in children.items() if name not in broken},
        count=args.rounds,
    )
    for child in children.values():
        child.close()
    pairs = args.batches * config.data.batch_size
    peer = children[args.peers[0]].ready
    rows = []
    for way in args.ways:
        for name in args.peers:
            if name in broken:
                continue
            share = children[way].ready["transport_seconds"] / best[way]["seconds"]
            row = timing.row(
                f"step-{model}",
                best[way]["seconds"] / args.batches,
                best[name]["seconds"] / args.batches,
                f"{name} {peer['torch']}, transformers {peer['transformers']}",
                way=way,
                precision=precision,
                batch=config.data.batch_size,
                lengths=args.named,
                pairs_per_second={
                    "ours": round(pairs / best[way]["seconds"], 1),
                    "peer": round(pairs / best[name]["seconds"], 1),
                },
                transport_share=round(share, 4),
                **({"not_run": broken} if broken else {}),
            )
            rows.append(row)
    return rows


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", metavar="PYTHON", help="has torch and transformers")
    parser.add_argument(
        "--models", nargs="+", choices=SIZES, default=["minilm", "base"]
    )
    # All candidates are in memory at once: BERT-base's same work takes most of 24 GB.
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY"
    )
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER"
    )
    parser.add_argument(
        "--precision", nargs="+", default=["float32", "bfloat16"], metavar="DTYPE"
    )
    parser.add_argument(
        "--bitext", help='"configs/X.py --data.root RAW"; None: the sample'
    )
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json or its folder")
    parser.add_argument("--vocabulary", type=int, default=30_522)
    parser.add_argument("--batches", type=int, default=4, help="steps of a run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answer", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer:
        answer(args)
        return
    if not args.python:
        parser.error("--python must name an interpreter with torch and transformers")
    data = config_of(args.bitext, "as trained", "float32").data
    found = step_batches.lengths(
        step_batches.sentences(args.bitext),
        args.tokenizer,
        count=max(data.window, args.batches) * data.batch_size,
        seed=args.seed,
    )
    args.named = {
        # Not the options behind it: they name folders of this machine.
        "of": args.bitext.split()[0] if args.bitext else "the built-in sample",
        "mean_tokens": round(float(found.mean()), 1),
        "longest": int(found.max()),
    }
    made = step_batches.make(
        found, data, batches=args.batches, vocabulary=args.vocabulary, seed=args.seed
    )
    for model in args.models:
        rows = []
        for precision in args.precision:
            with tempfile.TemporaryDirectory() as folder:
                step_batches.write(made, Path(folder))
                rows += measure(args, Path(folder), model, precision)
        timing.record(rows)


if __name__ == "__main__":
    main()
