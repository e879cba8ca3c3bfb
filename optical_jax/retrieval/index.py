"""An encoded corpus on disk: shards of arrays in .npy files, mapped into memory, and JSON.

    NNNNNN/vectors.npy token_ids.npy offsets.npy   a shard, there when it is complete
    offsets.npy doc_ids.json metadata.json         of all, written last

A folder is named by a hash of all that its vectors depend on, so that it is found again and
never stale. Indexes of format 1, one shard in one folder, are read as they are.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from optical_jax.data import staging, textfile
from optical_jax.models import fingerprint
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import shards
from optical_jax.retrieval.encode import Progress
from optical_jax.retrieval.sharded_search import BLOCK
from optical_jax.retrieval.vectors import TokenVectors
from optical_jax.training import distributed

_FORMATS = (1, 2)
_METADATA, _IDS, _OFFSETS = "metadata.json", "doc_ids.json", "offsets.npy"
# What a head does to queries alone leaves the documents' vectors as they are.
_QUERY_FIELDS = (
    "query_length",
    "query_marker",
    "query_prompt",
    "expansion",
    "attend_to_expansion",
)


@dataclass(frozen=True)
class Index:
    """An opened index; the vectors are read from disk as they are used."""

    folder: Path
    doc_ids: list[str]
    vectors: TokenVectors


def build(
    retriever: Retriever,
    doc_ids: Sequence[str],
    documents: Sequence[str],
    *,
    cache: Path,
    dtype: Literal["float16", "float32"] = "float16",
    batch_size: int = 64,
    shard: int = BLOCK,
    mesh: jax.sharding.Mesh | None = None,
    progress: Progress | None = None,
) -> Index:
    """Encode documents into a folder of the cache, or open it if it is there.

    A call that is killed is gone on with by the next one, shard by shard.

    Args:
        retriever: encodes them.
        doc_ids: one for each document.
        documents: one shard of them is held at a time; they are read twice.
        cache: the folder of indexes.
        dtype: of the vectors on disk.
        batch_size: texts that a device encodes at once.
        shard: documents of a shard.
        mesh: whose devices take turns; if it spans several processes, each encodes some of
            the shards, and all must call this, with a cache that they share. The files are
            the same, bit for bit, whatever their number. None: one device.
        progress: called with documents done and all documents, of this process.

    Raises:
        ValueError: if there is no document, ids and documents differ in number, or the
            folder in the cache is damaged.
    """
    if not documents or len(doc_ids) != len(documents):
        raise ValueError(
            f"an index needs documents and one doc_id for each, got {len(documents)} "
            f"documents and {len(doc_ids)} doc_ids"
        )
    digest = content_hash(retriever, doc_ids, documents, dtype=dtype)
    together = mesh is not None and mesh.is_multi_process
    old = cache / f"index-{digest[:20]}"
    folder = cache / f"corpus-{digest[:20]}-{shard}"
    complete = np.array([old.exists(), (folder / _METADATA).is_file()])
    if together:
        complete = distributed.from_leader(complete)
    if complete[0]:
        return load(old)
    if complete[1]:
        return load(folder)
    shards.write(
        retriever,
        documents,
        folder,
        size=shard,
        dtype=dtype,
        batch_size=batch_size,
        mesh=mesh,
        progress=progress,
    )
    if together:
        distributed.barrier("corpus encoded")
    metadata = {
        "format": _FORMATS[-1],
        "content_hash": digest,
        "documents": len(doc_ids),
        "width": retriever.width,
        "dtype": dtype,
        "head": dataclasses.asdict(retriever.head),
        "shard": shard,
    }
    with distributed.leader_first("index") if together else contextlib.nullcontext():
        if not (folder / _METADATA).is_file():
            _finish(folder, doc_ids, metadata)
    return load(folder)


def _finish(folder: Path, doc_ids: Sequence[str], metadata: dict[str, object]) -> None:
    offsets, lengths = shards.join(folder, doc_ids, size=metadata["shard"])
    staging.save_array(folder / _OFFSETS, offsets)
    _write_json(folder / _IDS, list(doc_ids))
    files = [*folder.glob("[0-9]*/*.npy"), folder / _OFFSETS, folder / _IDS]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    counts = {"vectors": int(offsets[-1]), "shards": lengths}
    # Written last: an index is one once it has this.
    _write_json(folder / _METADATA, metadata | counts | {"bytes": sizes})


def load(folder: Path) -> Index:
    """Open an index.

    Raises:
        FileNotFoundError: if the folder is no index, or a file of it is missing.
        ValueError: if a file has not the size it was written with, or the format is of
            another version.
    """
    path = folder / _METADATA
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not an index: it has no metadata.json; delete it and it is "
            "built again"
        )
    metadata = json.loads(path.read_text(encoding="utf-8"))
    if metadata["format"] not in _FORMATS:
        raise ValueError(
            f"index {folder} must have format {' or '.join(map(str, _FORMATS))}, got "
            f"{metadata['format']}; delete it and it is built again"
        )
    for name, size in metadata["bytes"].items():
        file = folder / name
        if not file.is_file():
            raise FileNotFoundError(
                f"index file {file} is missing; delete {folder} and it is built again"
            )
        if file.stat().st_size != size:
            raise ValueError(
                f"index file {file} must have {size} bytes, got {file.stat().st_size}: "
                f"it is truncated or changed; delete {folder} and it is built again"
            )
    doc_ids = json.loads((folder / _IDS).read_text(encoding="utf-8"))
    offsets = np.load(folder / _OFFSETS, mmap_mode="r", allow_pickle=False)
    if metadata["format"] > 1:
        return Index(
            folder, doc_ids, shards.open_all(folder, offsets, metadata["shards"])
        )
    vectors, tokens = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("vectors", "token_ids")
    )
    return Index(folder, doc_ids, TokenVectors(vectors, offsets, tokens))


def content_hash(
    retriever: Retriever,
    doc_ids: Sequence[str],
    documents: Sequence[str],
    *,
    dtype: str = "float16",
) -> str:
    """Hash what an index depends on: the retriever, apart from its queries, and documents."""
    defaults = HeadConfig()
    neutral = {name: getattr(defaults, name) for name in _QUERY_FIELDS}
    head = dataclasses.replace(retriever.head, **neutral)
    # One JSON object, keys in order, piece by piece: its text is never whole in memory.
    digest = hashlib.sha256(b'{"documents": [')
    comma = b""
    for pair in zip(doc_ids, documents, strict=True):
        digest.update(comma + json.dumps(pair).encode())
        comma = b", "
    rest = {
        "dtype": dtype,
        "format": _FORMATS[0],
        "retriever": fingerprint.of(dataclasses.replace(retriever, head=head)),
    }
    digest.update(b"], " + json.dumps(rest).encode()[1:])
    return digest.hexdigest()


def _write_json(path: Path, content: object) -> None:
    textfile.write(path, json.dumps(content, ensure_ascii=False, indent=1))
