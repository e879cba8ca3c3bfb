"""The frozen teacher's token vectors of a bitext, computed once and kept on disk.

One array_record entry a sentence: float16 [l, p], l scored tokens, or [l, p + 2] with each
token's norm and attention behind its vector. Written shard by shard, each under a temporary
name first, so that an interrupted run goes on at the next shard.
"""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from array_record.python import array_record_data_source, array_record_module

from optical_jax.data import staging
from optical_jax.models import fingerprint
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import encode

_SHARD = 4096


class TeacherVectors:
    """Random access to cached vectors: sentence number -> float16 [l, p]."""

    def __init__(
        self,
        shards: Sequence[Path],
        *,
        width: int,
        whole: bool = False,
        weighed: bool = False,
        places: np.ndarray | None = None,
    ):
        """Open complete shards, in the order of the sentences.

        Args:
            shards: their paths.
            width: p.
            whole: a sentence has one vector, not one a scored token.
            weighed: norm and attention stand behind each vector.
            places: which entry of the shards each sentence has; None: its own.
        """
        self._width, self._whole = width, whole
        self._shards, self._places = list(shards), places
        self._more = ("norm", "attention") if weighed else ()
        with self._damage_explained():
            self._source = array_record_data_source.ArrayRecordDataSource(
                [str(path) for path in shards]
            )

    def __len__(self) -> int:
        return len(self._source if self._places is None else self._places)

    def joined(
        self, more: "TeacherVectors | None", places: np.ndarray
    ) -> "TeacherVectors":
        """Return the vectors of sentences that have their entries here or in `more`.

        Args:
            more: of the same teacher; None: all have their entries here.
            places: of each sentence, its entry among those here and then those there.
        """
        return TeacherVectors(
            self._shards + (more._shards if more else []),
            width=self._width,
            whole=self._whole,
            weighed=bool(self._more),
            places=places,
        )

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Return the vectors of several sentences."""
        return [rows[:, : self._width] for rows in self._records(indices)]

    def _records(self, indices: Sequence[int]) -> list[np.ndarray]:
        if self._places is not None:
            indices = self._places[np.asarray(indices)]
        width = self._width + len(self._more)
        with self._damage_explained():
            records = self._source.__getitems__([int(i) for i in indices])
            return [np.frombuffer(r, np.float16).reshape(-1, width) for r in records]

    @contextlib.contextmanager
    def _damage_explained(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError, OSError) as error:
            raise ValueError(
                f"cached teacher vectors in {self._shards[0].parent} are damaged "
                f"({error}); delete that directory and run again"
            ) from error

    def padded(
        self, indices: Sequence[int], scored: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return arrays of several sentences in the places of their scored tokens [b l].

        Returns:
            "vectors" [b l p]; "norm" and "attention" [b l] where they were computed.
            float16, zero at every other place. Vectors of whole sentences have l = 1.
        """
        rows = np.concatenate(self._records(indices))
        if self._whole:
            scored = np.ones((len(indices), 1), bool)
        out = np.zeros((*scored.shape, rows.shape[1]), np.float16)
        out[scored] = rows
        named = {name: out[..., self._width + i] for i, name in enumerate(self._more)}
        return {"vectors": out[..., : self._width], **named}


def compute(
    teacher: Retriever,
    texts: Sequence[str],
    *,
    kind: Literal["query", "document"] = "query",
    weighed: bool = False,
    cache_dir: Path,
    batch_size: int = 64,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> TeacherVectors:
    """Return the teacher's vectors of texts, computing what is not there.

    Args:
        teacher: the frozen retriever.
        texts: sentences in the teacher's language; the cache is keyed by their content.
        kind: what they are encoded as.
        weighed: keep norm and attention beside each vector.
        cache_dir: where the directory of this teacher and these texts is made.
        batch_size: sentences a call.
        on_progress: called with sentences done and in all.
    """
    variant = [kind] if kind != "query" else []
    variant += ["weighed"] if weighed else []
    key = [fingerprint.of(teacher)[:16], *variant, *texts]
    content = hashlib.sha256(json.dumps(key).encode())
    folder = cache_dir / f"teacher-{content.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for start in range(0, len(texts), _SHARD):
        shard = folder / f"{start // _SHARD:05d}.array_record"
        shards.append(shard)
        if not shard.is_file():
            plan = encode.plan_texts(teacher, texts[start : start + _SHARD], kind=kind)
            found = np.empty(
                (plan.offsets[-1], teacher.width + 2 * weighed), np.float16
            )
            encode.fill(teacher, plan, found, batch_size=batch_size, weighed=weighed)
            _write(shard, found, plan.offsets)
        on_progress(min(start + _SHARD, len(texts)), len(texts))
    whole = teacher.head.kind == "single-vector"
    made = TeacherVectors(shards, width=teacher.width, whole=whole, weighed=weighed)
    # A file that was cut off may read as one of fewer entries.
    if len(made) != len(texts):
        raise ValueError(
            f"cached teacher vectors in {folder} are damaged ({len(made)} of "
            f"{len(texts)} entries); delete that directory and run again"
        )
    return made


def compute_apart(
    compute: Callable[[list[str]], TeacherVectors], texts: Sequence[str], *, first: int
) -> TeacherVectors:
    """Compute the vectors of the first texts apart from those of the rest.

    So runs that differ in the rest share a cache, and a text of the rest that is among the
    first, or that is there twice, has one entry.

    Args:
        compute: gives the vectors of some texts, as `compute` does.
        texts: all sentences.
        first: how many of them are shared.
    """
    found = compute(list(texts[:first]))
    if first == len(texts):
        return found
    entries = {text: i for i, text in enumerate(texts[:first])}
    more = [text for text in dict.fromkeys(texts[first:]) if text not in entries]
    entries |= {text: first + i for i, text in enumerate(more)}
    places = [*range(first), *(entries[text] for text in texts[first:])]
    return found.joined(compute(more) if more else None, np.array(places))


def _write(path: Path, vectors: np.ndarray, offsets: np.ndarray) -> None:
    full = (
        f"no space left on the disk while writing {path.parent}; what is complete there "
        "stays: free some space and run the same command again"
    )
    with staging.full_disk_explained(full), staging.file(path) as temporary:
        writer = array_record_module.ArrayRecordWriter(str(temporary), "group_size:1")
        for first, last in itertools.pairwise(offsets):
            writer.write(vectors[first:last].tobytes())
        writer.close()
