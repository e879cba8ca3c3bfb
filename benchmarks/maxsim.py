"""Exact MaxSim search with one thread, against the libraries that do it on CPUs.

    python -m benchmarks.maxsim --maxsim_cpu PYTHON --fast_plaid PYTHON
    python -m benchmarks.maxsim --parts storage

5,000 documents of 20 to 100 token vectors, 32 queries of 32; width 128, one core. PYTHON is the
interpreter of an environment with that library (pip install maxsim-cpu, fast-plaid); without
it the peer is left out. `--data clustered` draws tokens as encoders give them, around topics of
documents and words; `random` draws them evenly, where no document stands out. Time is per
query; what is prepared once for a corpus is not timed, on either side. The top 10 of each are
compared with a loop in float64. Rows "maxsim-storage" say how many bytes a vector takes in each
storage of an index (`--vectors`), centroids included, and how much of the top 10 is found in
it; no time is taken.
"""

import argparse
import dataclasses
import functools
import sys
import tempfile
import typing
from pathlib import Path

import numpy as np

from benchmarks import paired, serve, timing
from optical_jax.retrieval import codebook, compressed, search
from optical_jax.retrieval.encode import TokenVectors

_K = 10
_PEER = Path(__file__).with_name("maxsim_peer.py")
# Name: whether all queries are given at once, how often documents are scored, whether the
# corpus is prepared.
OURS = {
    "ours": (True, "auto", True),
    "ours, a query at a time": (False, "auto", True),
    "ours, one pass": (True, "one", True),
    "ours, nothing prepared": (True, "auto", False),
    "ours, a query at a time, nothing prepared": (False, "auto", False),
}


def _unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def make(args: argparse.Namespace, folder: Path) -> None:
    """Write vectors.npy, offsets.npy and queries.npy."""
    rng = np.random.default_rng(args.seed)
    lengths = rng.integers(20, 101, args.documents)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    draw = lambda *shape: rng.standard_normal((*shape, args.width), np.float32)
    if args.data == "random":
        vectors = _unit(draw(offsets[-1]))
        queries = _unit(draw(args.queries, args.query_tokens))
    else:
        # A word, how the document uses it, and noise; queries ask for words of a document.
        words, topics = draw(4000), draw(args.documents)
        which = np.minimum(rng.zipf(1.3, offsets[-1]) - 1, 3999)
        vectors = _unit(
            words[which]
            + 0.6 * np.repeat(topics, lengths, axis=0)
            + 0.5 * draw(offsets[-1])
        )
        wanted = rng.integers(0, args.documents, args.queries)
        rows = np.stack(
            [rng.integers(*offsets[i : i + 2], args.query_tokens) for i in wanted]
        )
        queries = _unit(vectors[rows] + 0.08 * draw(*rows.shape))
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "queries.npy", queries)


def read(folder: Path) -> tuple[TokenVectors, TokenVectors]:
    """Return queries and documents."""
    vectors, offsets, queries = (
        np.load(folder / f"{name}.npy") for name in ("vectors", "offsets", "queries")
    )
    q, m, d = queries.shape
    ids = lambda n: np.full(n, -1, np.int32)
    return (
        TokenVectors(queries.reshape(q * m, d), np.arange(q + 1) * m, ids(q * m)),
        TokenVectors(vectors, offsets, ids(len(vectors))),
    )


def expected(folder: Path) -> np.ndarray:
    """Return each query's top 10 by a loop over pairs, in float64."""
    queries, corpus = read(folder)
    scores = np.array(
        [
            [(query @ doc.T).max(axis=1).sum() for doc in documents]
            for documents in [[corpus[j].astype(float) for j in range(len(corpus))]]
            for query in (queries[i].astype(float) for i in range(len(queries)))
        ]
    )
    return np.argsort(-scores, axis=1, kind="stable")[:, :_K]


def answer(name: str, folder: Path) -> None:
    """Serve as one of our candidates, in this process."""
    together, passes, ahead = OURS[name]
    queries, corpus = read(folder)
    prepared = search.prepare(corpus, passes=passes) if ahead else None
    find = functools.partial(
        search.search, corpus=corpus, k=_K, passes=passes, prepared=prepared
    )
    alone = [
        TokenVectors(
            queries[i], np.array([0, len(queries[i])]), np.zeros(len(queries[i]))
        )
        for i in range(len(queries))
    ]

    def run() -> dict:
        if together:
            return {"top": find(queries).indices.tolist()}
        return {"top": [find(query).indices[0].tolist() for query in alone]}

    serve.serve({"passes": prepared.passes if prepared else passes}, run)


def measure(args: argparse.Namespace, folder: Path) -> list[dict]:
    """Time all candidates in turns; return a row for each peer, and for our other ways."""
    ours = {
        name: [sys.executable, "-m", "benchmarks.maxsim", "--answer", name, str(folder)]
        for name in OURS
    }
    pythons = {
        "numpy": sys.executable,
        "torch": args.fast_plaid,
        "maxsim-cpu": args.maxsim_cpu,
        "fast-plaid": args.fast_plaid,
    }
    peers = {
        name: [python, str(_PEER), name, str(folder)]
        for name, python in pythons.items()
        if python
    }
    children = {
        name: paired.Child(command, threads=1)
        for name, command in (ours | peers).items()
    }
    best = paired.rounds(children, count=args.rounds)
    top = expected(folder)
    for child in children.values():
        child.close()
    shared = {
        name: float(
            np.mean(
                [np.isin(a, b).mean() for a, b in zip(top, found["top"], strict=True)]
            )
        )
        for name, found in best.items()
    }
    facts = {
        "data": args.data,
        "documents": args.documents,
        "vectors": int(np.load(folder / "offsets.npy")[-1]),
        "queries": [args.queries, args.query_tokens, args.width],
        "threads": 1,
        "passes": children["ours"].ready["passes"],
        "recall_at_10": {"ours": shared["ours"]},
        "same_top_10": best["ours"]["top"] == top.tolist(),
    }
    rows = []
    for name in best:
        if name == "ours":
            continue
        version = children[name].ready.get("version", "")
        row = timing.row(
            "maxsim",
            best["ours"]["seconds"] / args.queries,
            best[name]["seconds"] / args.queries,
            f"{name} {version}".strip(),
            **facts,
        )
        row["recall_at_10"] = facts["recall_at_10"] | {"peer": shared[name]}
        rows.append(row)
    return rows


def stored(args: argparse.Namespace, folder: Path) -> list[dict]:
    """Keep the documents in each way; return rows of bytes a vector, and what is found."""
    queries, corpus = read(folder)
    top, rows = expected(folder), []
    sampled = codebook.sample(len(corpus))
    sample = np.concatenate([corpus[i] for i in sampled])
    for storage in args.storage:
        codec, size = None, 0
        if compressed.bits(storage):
            total = len(corpus.vectors)
            codec = codebook.learn(sample, total=total, storage=storage)
            size = sum(
                x.nbytes for x in (codec.centroids, codec.cutoffs, codec.weights)
            )
        arrays = compressed.pack(corpus.vectors, storage, codec)
        size += sum(array.nbytes for array in arrays.values())
        vectors = compressed.unpacked(arrays, codec, where=storage)
        held = dataclasses.replace(corpus, vectors=vectors)
        found = search.search(queries, held, k=_K).indices
        kept = [np.isin(a, b).mean() for a, b in zip(top, found, strict=True)]
        row = timing.row(
            "maxsim-storage",
            round(size / len(corpus.vectors), 1),
            2.0 * args.width,
            "float16",
            unit="bytes a vector",
            storage=storage,
            centroids=0 if codec is None else len(codec.centroids),
            data=args.data,
            documents=len(corpus),
            sampled=len(sampled) if codec else 0,
            vectors=len(corpus.vectors),
            queries=[args.queries, args.query_tokens, args.width],
            recall_at_10=round(float(np.mean(kept)), 4),
            first_kept=float(np.mean(found[:, 0] == top[:, 0])),
        )
        rows.append(row)
    return rows


_PARTS = {"search": measure, "storage": stored}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maxsim_cpu", metavar="PYTHON", help="has maxsim-cpu")
    parser.add_argument("--fast_plaid", metavar="PYTHON", help="has fast-plaid, torch")
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--queries", type=int, default=32)
    parser.add_argument("--query_tokens", type=int, default=32)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--data", nargs="+", default=["clustered", "random"])
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=list(_PARTS),
        default=list(_PARTS),
        help="what is measured; rows of the others stay",
    )
    parser.add_argument(
        "--storage",
        nargs="+",
        choices=typing.get_args(compressed.Storage),
        default=["float16", "int8", "residual-4", "residual-2", "residual-1"],
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answer", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer:
        answer(args.answer[0], Path(args.answer[1]))
        return
    rows = []
    for data in args.data:
        args.data = data
        with tempfile.TemporaryDirectory() as folder:
            make(args, Path(folder))
            for part in args.parts:
                rows += _PARTS[part](args, Path(folder))
    timing.record(rows)


if __name__ == "__main__":
    main()
