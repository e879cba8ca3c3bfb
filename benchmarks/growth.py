"""How time and memory grow with batch, length, model and corpus: few points of each, measured.

    python -m benchmarks.growth [--axes batch length model corpus]

Every point is a process of its own: the fastest of a few runs, and the most memory that it ever
held above what it held after its imports. Steps have the teacher in them and train all
parameters (Adam); searches are exact, of float16 vectors in a file, whose mapped pages count
although the system may take them back. Writes results/growth.json and results/growth.png with
the exponent of each line: 1 is proportional.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import matplotlib
import numpy as np

from benchmarks import random_step, timing
from optical_jax.config import Config
from optical_jax.data import textfile
from optical_jax.models import retriever
from optical_jax.models.head import HeadConfig
from optical_jax.retrieval import search
from optical_jax.retrieval.encode import TokenVectors
from optical_jax.training import sharding

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

RESULTS = Path("results/growth.json")
_VOCABULARY = 8000
_STEP = {"batch": 16, "length": 32, "width": 384, "layers": 6}
# Axis: its points, each what differs from _STEP, or a number of documents.
AXES = {
    "batch": [{"batch": n} for n in (4, 8, 16, 32, 64)],
    "length": [{"length": n} for n in (16, 32, 64, 128)],
    "model": [
        {"width": w, "layers": n} for w, n in ((128, 2), (256, 4), (384, 6), (768, 12))
    ],
    "corpus": [{"documents": n} for n in (1000, 4000, 16_000, 64_000)],
}
LABELS = {
    "batch": "pairs of a batch",
    "length": "tokens of a text",
    "model": "million parameters",
    "corpus": "documents, 60 vectors each",
}
_TOKENS, _WIDTH, _QUERIES = 60, 128, 8


def _step(
    *, batch: int, length: int, width: int, layers: int
) -> tuple[Callable[[], object], float]:
    """Return one train step, and millions of parameters."""
    inner = {"heads": width // 32, "inner": 4 * width}
    encoder = random_step.encoder(width, layers, **inner, vocabulary=_VOCABULARY)
    head = HeadConfig(projection=_WIDTH, query_length=length)
    step, mesh = random_step.make(Config(), encoder, head)
    rng = np.random.default_rng(0)
    mask = np.ones((batch, length), bool)
    field = lambda: {
        "ids": rng.integers(5, _VOCABULARY, mask.shape).astype(np.int32),
        "mask": mask,
        "scored": mask,
    }
    placed = sharding.to_global(
        {"student/target": field(), "teacher/source": field()}, mesh
    )
    count = retriever.count(retriever.abstract_params(encoder, head))
    return lambda: step(placed), count / 1e6


def _search(documents: int, folder: Path) -> Callable[[], object]:
    """Return a search of all queries; the corpus is drawn a part at a time."""
    rng, part = np.random.default_rng(0), 1000
    shape = (documents * _TOKENS, _WIDTH)
    file = folder / "vectors.npy"
    # Written, not mapped: mapped pages would count as held.
    with file.open("wb") as out:
        header = {"descr": "<f2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(out, header)
        for i in range(0, documents, part):
            count = min(part, documents - i) * _TOKENS
            rows = rng.standard_normal((count, _WIDTH), np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            out.write(rows.astype(np.float16).tobytes())
    texts = lambda vectors, each: TokenVectors(
        vectors,
        np.arange(len(vectors) // each + 1, dtype=np.int64) * each,
        np.full(len(vectors), -1, np.int32),
    )
    queries = rng.standard_normal((_QUERIES * 32, _WIDTH), np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    corpus = texts(np.load(file, mmap_mode="r"), _TOKENS)
    return lambda: search.search(texts(queries, 32), corpus, k=10).scores


def point(axis: str, given: dict, rounds: int) -> dict:
    """Measure one point, in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        if axis == "corpus":
            run, x = _search(given["documents"], Path(folder)), given["documents"]
        else:
            run, parameters = _step(**(_STEP | given))
            x = parameters if axis == "model" else given[axis]
        jax.block_until_ready(run())
        best = float("inf")
        for _ in range(rounds):
            began = time.perf_counter()
            jax.block_until_ready(run())
            best = min(best, time.perf_counter() - began)
    if axis == "corpus":
        best /= _QUERIES
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"x": x, "seconds": best, "bytes": (peak - before) * 1024}


def exponent(x: list[float], y: list[float]) -> float:
    """Return b of the power law y = a x^b that fits best."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(axes: dict[str, dict], file: Path) -> None:
    """Draw time and memory over each axis, both logarithmic."""
    figure, grid = plt.subplots(
        2, len(axes), figsize=(3.2 * len(axes), 5.6), squeeze=False, sharex="col"
    )
    rows = (("seconds", 1, "seconds"), ("bytes", 1e6, "MB above the imports'"))
    for column, (axis, found) in zip(grid.T, axes.items(), strict=True):
        x = [p["x"] for p in found["points"]]
        for place, (key, unit, label) in zip(column, rows, strict=True):
            y = [p[key] / unit for p in found["points"]]
            place.loglog(x, y, "o-", color="#1f5fa8")
            place.set_title(f"exponent {found['exponents'][key]:.2f}", fontsize=9)
            place.set_xticks(x, [_number(v) for v in x])
            ends = [min(y), max(y)]
            place.set_yticks(ends, [_number(v) for v in ends])
            place.minorticks_off()
            place.grid(alpha=0.3)
            if place in grid[:, 0]:
                place.set_ylabel(f"{label}, step" if key == "seconds" else label)
            elif axis == "corpus" and key == "seconds":
                place.set_ylabel("seconds, query")
        column[-1].set_xlabel(LABELS[axis])
    figure.tight_layout()
    temporary = file.with_suffix(".tmp.png")
    figure.savefig(temporary, dpi=120)
    temporary.replace(file)


def main() -> None:
    """Measure every point in a process of its own, record, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--points", type=int, default=5, help="at most, of each axis")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS, help="a .json file")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        print(json.dumps(point(args.point[0], json.loads(args.point[1]), args.rounds)))
        return
    if args.points < 2:
        parser.error(
            f"--points must be at least 2, got {args.points}: growth needs two"
        )
    axes = {}
    for axis in args.axes:
        points = []
        for given in AXES[axis][: args.points]:
            command = [sys.executable, "-m", "benchmarks.growth", "--rounds"]
            command += [str(args.rounds), "--point", axis, json.dumps(given)]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True
            )
            points.append(given | json.loads(done.stdout.splitlines()[-1]))
            print(axis, json.dumps(points[-1]), flush=True)
        x = [p["x"] for p in points]
        powers = {k: exponent(x, [p[k] for p in points]) for k in ("seconds", "bytes")}
        axes[axis] = {"points": points, "exponents": powers}
    record = {
        "command": "python -m benchmarks.growth",
        "machine": timing.machine(),
        "step": _STEP | {"vocabulary": _VOCABULARY, "projection": _WIDTH},
        "axes": axes,
    }
    textfile.write(args.output, json.dumps(record, indent=2) + "\n")
    draw(axes, args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
