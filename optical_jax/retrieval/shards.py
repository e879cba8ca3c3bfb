"""The shards of an index: runs of documents, encoded and written one at a time.

A shard is a folder that appears when it is complete, so a run that is killed goes on with
those that are missing. Its batches are cut from its own documents and computed by one device
each: its bytes do not depend on which device and which process that was, or on how many.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from optical_jax.data import staging
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import compressed, encode, residual
from optical_jax.retrieval import vectors as vectors_lib
from optical_jax.retrieval.encode import Progress
from optical_jax.retrieval.vectors import TokenVectors
from optical_jax.training import distributed

_TOKENS, _OFFSETS = "token_ids", "offsets"


def write(
    retriever: Retriever,
    documents: Sequence[str],
    folder: Path,
    *,
    size: int,
    storage: compressed.Storage,
    codec: residual.Codec | None,
    source: TokenVectors | None,
    batch_size: int,
    mesh: jax.sharding.Mesh | None,
    progress: Progress | None,
) -> None:
    """Encode the documents of every shard that is not there.

    Args:
        retriever: encodes them.
        documents: read a shard at a time.
        folder: of the index.
        size: documents of a shard.
        storage: of the vectors on disk.
        codec: of residuals.
        source: the documents' vectors in float16, if they are there; nothing is encoded.
        batch_size: texts that a device encodes at once.
        mesh: its devices share the batches; if it spans several processes these share the
            shards, and all of them must call this.
        progress: called with documents done and all documents, of this process.
    """
    missing = np.array([not path.is_dir() for path in _paths(folder, documents, size)])
    if mesh is not None and mesh.is_multi_process:
        missing = distributed.from_leader(missing)
        share = slice(jax.process_index(), None, jax.process_count())
    else:
        share = slice(None)
    numbers = np.flatnonzero(missing)[share].tolist()
    counts = [len(range(len(documents))[i * size : (i + 1) * size]) for i in numbers]
    encoding = numbers and source is None
    replicas = encode.replicas(retriever, mesh) if encoding else []
    dtype = np.float32 if storage == "float32" else np.float16
    done, total = 0, sum(counts)
    for i, count in zip(numbers, counts, strict=True):

        def told(some: int, _: int, before: int = done) -> None:
            if progress is not None:
                progress(before + some, total)

        start = i * size
        if source is None:
            texts = documents[start : start + count]
            plan = encode.plan_texts(retriever, texts, kind="document")
            vectors = np.empty((int(plan.offsets[-1]), retriever.width), dtype)
            encode.fill(
                retriever,
                plan,
                vectors,
                batch_size=batch_size,
                replicas=replicas,
                progress=told,
            )
            made = TokenVectors(vectors, plan.offsets, plan.token_ids)
        else:
            made = source.part(start, start + count)
            told(count, count)
        _save(_path(folder, i), compressed.pack(made.vectors, storage, codec), made)
        done += count


def join(
    folder: Path, documents: Sequence[str], *, size: int
) -> tuple[np.ndarray, list[int]]:
    """Return the offsets of all documents, and the number of vectors of each shard.

    Raises:
        ValueError: if a shard is not there.
    """
    lengths = []
    for path in _paths(folder, documents, size):
        if not path.is_dir():
            raise ValueError(
                f"{path} is missing after every process wrote its shards; all must be "
                "given the same cache, on storage that they share"
            )
        lengths.append(np.diff(np.load(path / f"{_OFFSETS}.npy", allow_pickle=False)))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return offsets.astype(np.int64), [int(part.sum()) for part in lengths]


def open_all(
    folder: Path,
    offsets: np.ndarray,
    lengths: Sequence[int],
    *,
    storage: compressed.Storage,
    codec: residual.Codec | None,
) -> TokenVectors:
    """Return the vectors of all documents, which stay on disk."""
    paths = [_path(folder, i) for i in range(len(lengths))]
    rows = {
        name: vectors_lib.of_files([path / f"{name}.npy" for path in paths], lengths)
        for name in (*compressed.names(storage), _TOKENS)
    }
    tokens = rows.pop(_TOKENS)
    vectors = compressed.unpacked(rows, codec, where=f"index {folder}")
    return TokenVectors(vectors, offsets, tokens)


def _paths(folder: Path, documents: Sequence[str], size: int) -> list[Path]:
    return [_path(folder, i) for i in range(-(-len(documents) // size))]


def _path(folder: Path, i: int) -> Path:
    return folder / f"{i:06d}"


def _save(path: Path, arrays: Mapping[str, np.ndarray], made: TokenVectors) -> None:
    texts = {_TOKENS: made.token_ids, _OFFSETS: made.offsets}
    with staging.folder(path, shared=True) as made:
        for name, array in (dict(arrays) | texts).items():
            np.save(made / f"{name}.npy", array)
