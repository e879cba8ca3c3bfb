"""An encoded corpus on disk: arrays in .npy files, mapped into memory, and JSON.

A folder is named by a hash of all that its vectors depend on, so that it is found again
and never stale, and appears only when it is complete.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from optical_jax.data import staging
from optical_jax.models import fingerprint
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import encode
from optical_jax.retrieval.encode import Progress, TokenVectors

_FORMAT = 1
_ARRAYS = ("vectors", "offsets", "token_ids")
# What a head does to queries alone leaves the documents' vectors as they are.
_QUERY_FIELDS = ("query_length", "query_marker", "expansion", "attend_to_expansion")


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
    mesh: jax.sharding.Mesh | None = None,
    progress: Progress | None = None,
) -> Index:
    """Encode documents into a folder of the cache, or open it if it is there.

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
    folder = cache / f"index-{digest[:20]}"
    if folder.exists():
        return load(folder)
    plan = encode.plan_texts(retriever, documents, kind="document")
    with staging.folder(folder, shared=True) as made:
        shape = (int(plan.offsets[-1]), retriever.width)
        vectors = _create(made / "vectors.npy", shape, dtype)
        encode.fill(
            retriever,
            plan,
            vectors,
            batch_size=batch_size,
            mesh=mesh,
            progress=progress,
        )
        vectors.flush()
        np.save(made / "offsets.npy", plan.offsets)
        np.save(made / "token_ids.npy", plan.token_ids)
        _write_json(made / "doc_ids.json", list(doc_ids))
        sizes = {path.name: path.stat().st_size for path in sorted(made.iterdir())}
        metadata = {
            "format": _FORMAT,
            "content_hash": digest,
            "documents": len(doc_ids),
            "vectors": shape[0],
            "width": shape[1],
            "dtype": dtype,
            "head": dataclasses.asdict(retriever.head),
            "bytes": sizes,
        }
        _write_json(made / "metadata.json", metadata)
    return load(folder)


def load(folder: Path) -> Index:
    """Open an index.

    Raises:
        FileNotFoundError: if the folder is no index, or a file of it is missing.
        ValueError: if a file has not the size it was written with, or the format is of
            another version.
    """
    path = folder / "metadata.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not an index: it has no metadata.json; delete it and it is "
            "built again"
        )
    metadata = json.loads(path.read_text(encoding="utf-8"))
    if metadata["format"] != _FORMAT:
        raise ValueError(
            f"index {folder} must have format {_FORMAT}, got {metadata['format']}; "
            "delete it and it is built again"
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
    arrays = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in _ARRAYS
    )
    doc_ids = json.loads((folder / "doc_ids.json").read_text(encoding="utf-8"))
    return Index(folder, doc_ids, TokenVectors(*arrays))


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
    settings = {
        "format": _FORMAT,
        "dtype": dtype,
        "retriever": fingerprint.of(dataclasses.replace(retriever, head=head)),
        "documents": list(zip(doc_ids, documents, strict=True)),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _create(path: Path, shape: tuple[int, int], dtype: str) -> np.memmap:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # A full disk is an OSError here; found by a write into the map, it kills.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
