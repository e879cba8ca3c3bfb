"""A peer's MaxSim search, run in an environment of its own by `benchmarks.maxsim`.

    PYTHON benchmarks/maxsim_peer.py NAME FOLDER

FOLDER holds vectors.npy [t d] float32, offsets.npy [n + 1], queries.npy [q m d]. Preparing an
index or a list of documents is not timed; every run answers all queries.
"""

import importlib.metadata
import sys
from pathlib import Path

import numpy as np
from serve import serve

_K = 10
# Documents of a product: their similarities to all queries should stay in the cache.
_DOCUMENTS = 16


def _best(scores: np.ndarray) -> list:
    return np.argsort(-scores, axis=1, kind="stable")[:, :_K].tolist()


def _numpy(vectors, offsets, queries):  # noqa: ANN001, ANN202
    """Blocked products by BLAS, the maximum over each document's columns."""
    q, m, d = queries.shape
    flat = queries.reshape(q * m, d)
    starts = range(0, len(offsets) - 1, _DOCUMENTS)
    ends = [min(start + _DOCUMENTS, len(offsets) - 1) for start in starts]

    def run() -> dict:
        parts = []
        for start, end in zip(starts, ends, strict=True):
            block = vectors[offsets[start] : offsets[end]]
            cuts = offsets[start:end] - offsets[start]
            best = np.maximum.reduceat(flat @ block.T, cuts, axis=1)
            parts.append(best.reshape(q, m, -1).sum(axis=1))
        return {"top": _best(np.concatenate(parts, axis=1))}

    return run, {"version": np.__version__}


def _torch(vectors, offsets, queries):  # noqa: ANN001, ANN202
    """Blocks of documents of about one length, padded; products, maximum, sum."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    q, m, d = queries.shape
    lengths = np.diff(offsets)
    order = np.argsort(lengths, kind="stable")
    blocks = []
    for i in range(0, len(order), _DOCUMENTS):
        docs = order[i : i + _DOCUMENTS]
        n = int(lengths[docs].max())
        padded = np.stack(
            # A token again in place of padding leaves the maximum as it is.
            [
                vectors[np.minimum(offsets[j] + np.arange(n), offsets[j + 1] - 1)]
                for j in docs
            ]
        )
        blocks.append((torch.from_numpy(docs), torch.from_numpy(padded)))
    flat = torch.from_numpy(queries.reshape(q * m, d)).T.contiguous()

    def run() -> dict:
        scores = torch.empty(q, len(lengths))
        for docs, padded in blocks:
            best = (padded.reshape(-1, d) @ flat).reshape(len(docs), -1, q * m).amax(1)
            scores[:, docs] = best.reshape(-1, q, m).sum(2).T
        return {"top": _best(scores.numpy())}

    return run, {"version": torch.__version__}


def _maxsim_cpu(vectors, offsets, queries):  # noqa: ANN001, ANN202
    """One query at a time: its interface takes no more."""
    import maxsim_cpu

    documents = [vectors[i:j] for i, j in zip(offsets, offsets[1:], strict=False)]

    def run() -> dict:
        each = [
            maxsim_cpu.maxsim_scores_variable(query, documents) for query in queries
        ]
        return {"top": _best(np.stack(each))}

    return run, {"version": importlib.metadata.version("maxsim-cpu")}


def _fast_plaid(vectors, offsets, queries, folder):  # noqa: ANN001, ANN202
    """A PLAID index of 4 bits with its default search: approximate."""
    import torch
    from fast_plaid import search

    torch.set_num_threads(1)
    index = search.FastPlaid(index=str(folder / "fast-plaid"), device="cpu")
    documents = [
        torch.from_numpy(vectors[i:j])
        for i, j in zip(offsets, offsets[1:], strict=False)
    ]
    index.create(documents_embeddings=documents, nbits=4)
    given = torch.from_numpy(queries)

    def run() -> dict:
        found = index.search(given, top_k=_K, show_progress=False, n_processes=1)
        return {"top": [[i for i, _ in documents] for documents in found]}

    return run, {"version": importlib.metadata.version("fast-plaid")}


def main() -> None:
    """Prepare, then answer."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    arrays = [np.load(folder / f"{n}.npy") for n in ("vectors", "offsets", "queries")]
    if name == "fast-plaid":
        run, ready = _fast_plaid(*arrays, folder)
    else:
        makers = {"numpy": _numpy, "torch": _torch, "maxsim-cpu": _maxsim_cpu}
        run, ready = makers[name](*arrays)
    serve(ready, run)


if __name__ == "__main__":
    main()
