"""A PLAID index on disk, in the files of fast-plaid 1.4 (.npy and JSON), written and read.

    centroids.npy bucket_cutoffs.npy bucket_weights.npy avg_residual.npy cluster_threshold.npy
    I.codes.npy I.residuals.npy doclens.I.json I.metadata.json    chunk I of the documents
    ivf.npy ivf_lengths.npy       the documents of each centroid, one centroid after the other
    plan.json metadata.json

Memory is bounded by the sample that centroids are made of and by one chunk.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optical_jax.retrieval import kmeans, residual
from optical_jax.retrieval import search as search_lib
from optical_jax.retrieval.encode import TokenVectors
from optical_jax.retrieval.residual import Codec
from optical_jax.retrieval.search import Ranking

# Vectors compressed at once, and those of a chunk of files.
_CHUNK = 1 << 19


@dataclass(frozen=True)
class Plaid:
    """An opened index; codes and residuals are read from disk as they are used."""

    folder: Path
    codec: Codec
    # Number of vectors of each document.
    lengths: np.ndarray
    # Documents of each chunk.
    chunks: tuple[int, ...]


def write(
    vectors: TokenVectors,
    folder: Path,
    *,
    bits: int = 4,
    seed: int = 0,
    chunk: int = _CHUNK,
    progress: kmeans.Progress | None = None,
) -> Plaid:
    """Write an index of documents into an empty folder.

    Args:
        vectors: of the documents' tokens; may lie in a memory-mapped file.
        folder: is filled; the caller stages it.
        bits: of each number of a residual: 1, 2 or 4.
        seed: of the draws.
        chunk: vectors compressed at once.
        progress: called after each round of k-means and each chunk.

    Raises:
        ValueError: if the width does not fit the bits, or a document has no vector.
    """
    residual.check(vectors.vectors.shape[1], bits)
    if not len(vectors) or not vectors.lengths.all():
        raise ValueError(
            "a PLAID index needs documents, each with a vector, got "
            f"{len(vectors)} documents, {int((vectors.lengths == 0).sum())} of them without"
        )
    cuts = _cuts(vectors.offsets, chunk)
    total = residual.ROUNDS + len(cuts)
    tell = lambda done: progress(done, total) if progress is not None else None
    codec = residual.train(
        vectors.vectors, bits=bits, seed=seed, progress=lambda done, _: tell(done)
    )
    folder.mkdir(parents=True, exist_ok=True)
    pairs = []
    for i, (start, stop) in enumerate(cuts):
        pairs.append(_write_chunk(vectors, codec, folder, i, start, stop))
        tell(residual.ROUNDS + i + 1)
    _write_lists(np.concatenate(pairs), folder, len(codec.centroids))
    _write_codec(codec, folder)
    _write_json(folder / "plan.json", {"nbits": bits, "num_chunks": len(cuts)})
    _write_json(
        folder / "metadata.json",
        {
            "num_chunks": len(cuts),
            "nbits": bits,
            "num_partitions": len(codec.centroids),
            "num_embeddings": int(vectors.offsets[-1]),
            "avg_doclen": float(vectors.lengths.mean()),
            "num_documents": len(vectors),
            "compress_only": False,
        },
    )
    return load(folder)


def load(folder: Path) -> Plaid:
    """Open an index, ours or fast-plaid's.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the files do not fit each other.
    """
    if not (folder / "metadata.json").is_file():
        raise FileNotFoundError(f"{folder} is no PLAID index: it has no metadata.json")
    metadata = _read_json(folder / "metadata.json")
    arrays = {
        name: _array(folder / f"{name}.npy")
        for name in ("centroids", "bucket_cutoffs", "bucket_weights", "avg_residual")
    }
    doclens = [
        _read_json(folder / f"doclens.{i}.json") for i in range(metadata["num_chunks"])
    ]
    lengths = np.concatenate([np.array(part, np.int64) for part in doclens])
    counted = len(lengths), int(lengths.sum())
    stated = metadata["num_documents"], metadata["num_embeddings"]
    if counted != stated:
        raise ValueError(
            f"{folder}: metadata.json states {stated[0]} documents of {stated[1]} vectors, "
            f"the chunks have {counted[0]} of {counted[1]}; write the index again"
        )
    codec = Codec(
        centroids=arrays["centroids"].astype(np.float16),
        cutoffs=arrays["bucket_cutoffs"].astype(np.float32),
        weights=arrays["bucket_weights"].astype(np.float32),
        average=arrays["avg_residual"].astype(np.float32),
        threshold=float(_array(folder / "cluster_threshold.npy").item()),
    )
    return Plaid(folder, codec, lengths, tuple(map(len, doclens)))


def decompressed(index: Plaid) -> Iterator[TokenVectors]:
    """Yield the documents' vectors as the index holds them, chunk by chunk."""
    first = 0
    for i, documents in enumerate(index.chunks):
        codes = _array(index.folder / f"{i}.codes.npy")
        residuals = _array(index.folder / f"{i}.residuals.npy")
        lengths = index.lengths[first : first + documents]
        first += documents
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = residual.decompress(codes.astype(np.int32), residuals, index.codec)
        yield TokenVectors(rows, offsets, np.full(len(rows), -1, np.int32))


def search(queries: TokenVectors, index: Plaid, *, k: int = 10) -> Ranking:
    """Rank the documents of an index by MaxSim over its vectors, all of them.

    fast-plaid looks only into lists of the centroids that are near to a query; this is what
    it would find if it looked everywhere.
    """
    parts, first = [], 0
    for part in decompressed(index):
        found = search_lib.search(queries, part, k=k)
        parts.append((found.indices + first, found.scores))
        first += len(part)
    indices, scores = (np.concatenate(x, axis=1) for x in zip(*parts, strict=True))
    # Of equal scores the first document comes first, as within a chunk.
    order = np.argsort(-scores, axis=1, kind="stable")[:, : min(k, first)]
    return Ranking(
        np.take_along_axis(indices, order, axis=1),
        np.take_along_axis(scores, order, axis=1),
    )


def _cuts(offsets: np.ndarray, chunk: int) -> list[tuple[int, int]]:
    """Cut documents into runs of about as many vectors, at least one document each."""
    cuts, start, documents = [], 0, len(offsets) - 1
    while start < documents:
        stop = int(np.searchsorted(offsets, offsets[start] + chunk, side="right")) - 1
        cuts.append((start, min(max(stop, start + 1), documents)))
        start = cuts[-1][1]
    return cuts


def _write_chunk(
    vectors: TokenVectors, codec: Codec, folder: Path, i: int, start: int, stop: int
) -> np.ndarray:
    """Write chunk i, documents start to stop; return its pairs (centroid, document)."""
    first, last = (int(vectors.offsets[n]) for n in (start, stop))
    codes, packed = residual.compress(vectors.vectors[first:last], codec)
    lengths = vectors.lengths[start:stop]
    np.save(folder / f"{i}.codes.npy", codes.astype(np.int64))
    np.save(folder / f"{i}.residuals.npy", packed)
    _write_json(folder / f"doclens.{i}.json", lengths.tolist())
    _write_json(
        folder / f"{i}.metadata.json",
        {
            "num_documents": stop - start,
            "num_embeddings": last - first,
            "embedding_offset": first,
        },
    )
    documents = np.repeat(np.arange(start, stop, dtype=np.int64), lengths)
    return np.unique(np.stack([codes.astype(np.int64), documents], axis=1), axis=0)


def _write_lists(pairs: np.ndarray, folder: Path, centroids: int) -> None:
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    np.save(folder / "ivf.npy", pairs[order, 1])
    lengths = np.bincount(pairs[:, 0], minlength=centroids).astype(np.int32)
    np.save(folder / "ivf_lengths.npy", lengths)


def _write_codec(codec: Codec, folder: Path) -> None:
    np.save(folder / "centroids.npy", codec.centroids)
    np.save(folder / "bucket_cutoffs.npy", codec.cutoffs)
    np.save(folder / "bucket_weights.npy", codec.weights)
    np.save(folder / "avg_residual.npy", codec.average)
    np.save(folder / "cluster_threshold.npy", np.array([codec.threshold], np.float32))


def _array(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(
            f"index file {path} is missing; write the index again, or copy it whole"
        )
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read_json(path: Path) -> Any:  # noqa: ANN401
    if not path.is_file():
        raise FileNotFoundError(
            f"index file {path} is missing; write the index again, or copy it whole"
        )
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")
