"""An encoded corpus on disk: shards of arrays in .npy files, mapped into memory, and JSON.

    codec/*.npy                                    of residuals, learnt first (`codebook`)
    NNNNNN/vectors.npy token_ids.npy offsets.npy   a shard, there when it is complete
    offsets.npy doc_ids.json metadata.json         of all, written last

Compressed vectors (`compressed`) are two arrays of other names in place of vectors.npy. A
folder is named by a hash of all that its vectors depend on, so that it is found again and
never stale. Indexes of format 1, one shard in one folder, are read as they are.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from optical_jax.data import staging, textfile
from optical_jax.models import fingerprint
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import codebook, compressed, shards
from optical_jax.retrieval.compressed import Storage
from optical_jax.retrieval.encode import Progress
from optical_jax.retrieval.sharded_search import BLOCK
from optical_jax.retrieval.vectors import TokenVectors
from optical_jax.training import distributed

# Format 3 has compressed vectors, which nobody should take for an index of format 2.
_FORMATS = (1, 2, 3)
_CODEC = "codec"
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
    storage: Storage = "float16",
    batch_size: int = 64,
    shard: int = BLOCK,
    mesh: jax.sharding.Mesh | None = None,
    progress: Progress | None = None,
) -> Index:
    """Encode documents into a folder of the cache, or open it if it is there.

    A call that is killed is gone on with by the next one, shard by shard. An index in float16
    that is there is compressed without encoding anything.

    Args:
        retriever: encodes them.
        doc_ids: one for each document.
        documents: one shard of them is held at a time; they are read twice.
        cache: the folder of indexes.
        storage: of the vectors on disk. Residuals need centroids: one process learns
            them on a sample of the documents, which is encoded twice.
        batch_size: texts that a device encodes at once.
        shard: documents of a shard.
        mesh: whose devices take turns; if it spans several processes, each encodes some of
            the shards, and all must call this, with a cache that they share. The files are
            the same, bit for bit, whatever their number. None: one device.
        progress: called with documents done and all documents, of this process.

    Raises:
        ValueError: if there is no document, ids and documents differ in number, the
            storage does not fit the vectors' width, or the folder in the cache is damaged.
    """
    compressed.check(storage, retriever.width)
    if not documents or len(doc_ids) != len(documents):
        raise ValueError(
            f"an index needs documents and one doc_id for each, got {len(documents)} "
            f"documents and {len(doc_ids)} doc_ids"
        )
    digest, halves = _hashes(retriever, doc_ids, documents, storage, "float16")
    together = mesh is not None and mesh.is_multi_process
    folder = _folder(cache, digest, shard)
    places = [cache / f"index-{digest[:20]}", folder, _folder(cache, halves, shard)]
    complete = np.array([(path / _METADATA).is_file() for path in places])
    complete[0] = places[0].exists()
    if together:
        complete = distributed.from_leader(complete)
    for path, there in zip(places[:2], complete, strict=False):
        if there:
            return load(path)
    # What is compressed may be there as it was encoded.
    packed = compressed.names(storage) != ("vectors",)
    source = load(places[2]).vectors if packed and complete[2] else None
    codec = None
    alone = contextlib.nullcontext()
    if compressed.bits(storage):
        with distributed.leader_first("codec") if together else alone:
            codec = codebook.of_index(
                folder / _CODEC,
                retriever,
                documents,
                storage=storage,
                source=source,
                batch_size=batch_size,
                mesh=mesh,
            )
    shards.write(
        retriever,
        documents,
        folder,
        size=shard,
        storage=storage,
        codec=codec,
        source=source,
        batch_size=batch_size,
        mesh=mesh,
        progress=progress,
    )
    if together:
        distributed.barrier("corpus encoded")
    metadata = {
        "format": 3 if packed else 2,
        "content_hash": digest,
        "documents": len(doc_ids),
        "width": retriever.width,
        "dtype": storage,
        "head": dataclasses.asdict(retriever.head),
        "shard": shard,
    }
    with distributed.leader_first("index") if together else alone:
        if not (folder / _METADATA).is_file():
            _finish(folder, doc_ids, metadata)
    return load(folder)


def _finish(folder: Path, doc_ids: Sequence[str], metadata: dict[str, object]) -> None:
    offsets, lengths = shards.join(folder, doc_ids, size=metadata["shard"])
    staging.save_array(folder / _OFFSETS, offsets)
    _write_json(folder / _IDS, list(doc_ids))
    # Not all folders: a process that was killed may have left one half written.
    arrays = [path for at in ("[0-9]*", _CODEC) for path in folder.glob(f"{at}/*.npy")]
    files = [*arrays, folder / _OFFSETS, folder / _IDS]
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
            f"index {folder} must have format {', '.join(map(str, _FORMATS))}, got "
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
        storage, codec = metadata["dtype"], None
        if compressed.bits(storage):
            codec = compressed.read_codec(folder / _CODEC)
        found = shards.open_all(
            folder, offsets, metadata["shards"], storage=storage, codec=codec
        )
        return Index(folder, doc_ids, found)
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
    storage: Storage = "float16",
) -> str:
    """Hash what an index depends on: the retriever, apart from its queries, and documents."""
    return _hashes(retriever, doc_ids, documents, storage)[0]


def _hashes(
    retriever: Retriever,
    doc_ids: Sequence[str],
    documents: Sequence[str],
    *storages: Storage,
) -> list[str]:
    defaults = HeadConfig()
    neutral = {name: getattr(defaults, name) for name in _QUERY_FIELDS}
    head = dataclasses.replace(retriever.head, **neutral)
    # One JSON object, keys in order, piece by piece: its text is never whole in memory.
    texts = hashlib.sha256(b'{"documents": [')
    comma = b""
    for pair in zip(doc_ids, documents, strict=True):
        texts.update(comma + json.dumps(pair).encode())
        comma = b", "
    found = fingerprint.of(dataclasses.replace(retriever, head=head))
    digests = []
    for storage in storages:
        digest = texts.copy()
        rest = {"dtype": storage, "format": _FORMATS[0], "retriever": found}
        digest.update(b"], " + json.dumps(rest).encode()[1:])
        digests.append(digest.hexdigest())
    return digests


def _folder(cache: Path, digest: str, shard: int) -> Path:
    return cache / f"corpus-{digest[:20]}-{shard}"


def _write_json(path: Path, content: object) -> None:
    textfile.write(path, json.dumps(content, ensure_ascii=False, indent=1))
