"""The frozen teacher's token vectors of a bitext, computed once and kept on disk.

One array_record entry a sentence: float16 [l, p], l as tokenised. Written shard by shard,
each under a temporary name first, so that an interrupted run goes on at the next shard.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from array_record.python import array_record_data_source, array_record_module
from flax import nnx

from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import encode

_SHARD = 4096


class TeacherVectors:
    """Random access to cached vectors: sentence number -> float16 [l, p]."""

    def __init__(self, shards: Sequence[Path], *, width: int):
        """Open complete shards, in the order of the sentences."""
        self._width = width
        try:
            self._source = array_record_data_source.ArrayRecordDataSource(
                [str(path) for path in shards]
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ValueError(
                f"cached teacher vectors in {shards[0].parent} are damaged ({error}); "
                "delete that directory and run again"
            ) from error

    def __len__(self) -> int:
        return len(self._source)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Return the vectors of several sentences."""
        records = self._source.__getitems__([int(i) for i in indices])
        return [np.frombuffer(r, np.float16).reshape(-1, self._width) for r in records]

    def padded(self, indices: Sequence[int], length: int) -> np.ndarray:
        """Return the vectors of several sentences as float16 [b, length, p]."""
        out = np.zeros((len(indices), length, self._width), np.float16)
        for row, vectors in zip(out, self.read(indices), strict=True):
            row[: len(vectors)] = vectors
        return out


def fingerprint(teacher: Retriever) -> str:
    """Return a hash of everything that a teacher's vectors depend on."""
    digest = hashlib.sha256()
    digest.update(repr((teacher.encoder, teacher.head, str(teacher.dtype))).encode())
    digest.update(teacher.text.tokenizer.to_str().encode())
    for path, leaf in sorted(
        nnx.to_flat_state(teacher.params), key=lambda x: str(x[0])
    ):
        digest.update(str(path).encode())
        digest.update(np.ascontiguousarray(leaf[...]).tobytes())
    return digest.hexdigest()[:16]


def compute(
    teacher: Retriever,
    texts: Sequence[str],
    *,
    kind: Literal["query", "document"] = "query",
    cache_dir: Path,
    batch_size: int = 64,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> TeacherVectors:
    """Return the teacher's vectors of texts, computing what is not there.

    Args:
        teacher: the frozen retriever.
        texts: sentences in the teacher's language; the cache is keyed by their content.
        kind: what they are encoded as.
        cache_dir: where the directory of this teacher and these texts is made.
        batch_size: sentences a call.
        on_progress: called with sentences done and in all.
    """
    key = [fingerprint(teacher), *([kind] if kind != "query" else []), *texts]
    content = hashlib.sha256(json.dumps(key).encode())
    encode_texts = {"query": encode.encode_queries, "document": encode.encode_documents}
    folder = cache_dir / f"teacher-{content.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for start in range(0, len(texts), _SHARD):
        shard = folder / f"{start // _SHARD:05d}.array_record"
        shards.append(shard)
        if not shard.is_file():
            part = texts[start : start + _SHARD]
            with _written(shard) as writer:
                found = encode_texts[kind](teacher, part, batch_size=batch_size)
                for i in range(len(found)):
                    writer.write(found[i].astype(np.float16).tobytes())
        on_progress(min(start + _SHARD, len(texts)), len(texts))
    return TeacherVectors(shards, width=teacher.width)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[Any]:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    writer = array_record_module.ArrayRecordWriter(str(temporary), "group_size:1")
    try:
        yield writer
        writer.close()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
