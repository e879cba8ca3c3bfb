"""From `data.passages` to what a batch draws from: the teacher's vectors, near passages.

Both are computed once and found again by their content.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from optical_jax.config import Config
from optical_jax.data import passages, staging, textfile
from optical_jax.data.passages import PassagesConfig
from optical_jax.data.teacher_vectors import TeacherVectors
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import bm25, encode, index, nearest

# Sentences whose vectors are held at once.
_CHUNK = 4096


def make(
    config: Config,
    teacher: Retriever,
    sentences: Sequence[str],
    *,
    own: int,
    cached: TeacherVectors | None,
    say: Callable[[str], None],
) -> passages.Draws:
    """Return the passages of a run, ready to be drawn for batches of sentence pairs.

    Args:
        config: the run.
        teacher: the frozen retriever.
        sentences: those of the pairs in the teacher's language, by the pairs' numbers.
        own: how many of them, the first ones, are the bitext's: passages if none are named.
        cached: the teacher's vectors of the sentences, if they are on disk.
        say: prints a line.

    Raises:
        FileNotFoundError: if there are no such passages.
        ValueError: naming a malformed line, or if fewer than two passages have text.
    """
    settings, data = config.data.passages, config.data
    cache = Path(data.cache_dir).expanduser()
    if settings.path:
        root = Path(data.root).expanduser()
        texts = passages.read(settings, root=root, seed=config.seed)
    else:
        texts = passages.choose(
            iter(sentences[:own]), settings, seed=config.seed, where="the bitext"
        )
    say(f"passages: {len(texts)} in the teacher's language")
    length = min(settings.length, teacher.head.document_length)
    head = dataclasses.replace(teacher.head, document_length=length)
    vectors = index.build(
        teacher.with_head(head),
        [str(i) for i in range(len(texts))],
        texts,
        cache=cache,
        progress=_told(say),
    )
    near = np.zeros((len(sentences), 0), np.int32)
    if settings.nearest:
        key = [vectors.folder.name, settings.mining, settings.nearest, *sentences]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        path = cache / f"nearest-{digest[:20]}.npy"
        if not path.is_file():
            say(f"near passages of {len(sentences)} sentences, by {settings.mining}")
            found = _nearest(settings, teacher, sentences, texts, vectors, cached)
            staging.save_array(path, found)
        near = np.load(path, mmap_mode="r", allow_pickle=False)
    return passages.Draws(
        vectors=vectors.vectors,
        nearest=near,
        per_pair=settings.per_pair,
        seed=config.seed,
    )


def _nearest(
    settings: PassagesConfig,
    teacher: Retriever,
    sentences: Sequence[str],
    texts: Sequence[str],
    vectors: index.Index,
    cached: TeacherVectors | None,
) -> np.ndarray:
    """Return [sentences k] positions of near passages, the sentence itself left out."""
    known = {textfile.match_key(text): i for i, text in enumerate(texts)}
    own = np.array([known.get(textfile.match_key(s), -1) for s in sentences], np.int32)
    if settings.mining == "teacher":
        documents = nearest.means(vectors.vectors[i] for i in range(len(texts)))
        queries = nearest.means(_sentence_vectors(teacher, sentences, cached))
        return nearest.search(queries, documents, k=settings.nearest, excluded=own)
    # One more than asked for: the sentence itself may be among them.
    ranking = bm25.Bm25(texts).rank(sentences, k=settings.nearest + 1)
    found = np.full((len(sentences), settings.nearest), -1, np.int32)
    for row, indices, mine in zip(found, ranking.indices, own, strict=True):
        kept = indices[(indices >= 0) & (indices != mine)][: settings.nearest]
        row[: len(kept)] = kept
    return found


def _sentence_vectors(
    teacher: Retriever, sentences: Sequence[str], cached: TeacherVectors | None
) -> Iterator[np.ndarray]:
    for start in range(0, len(sentences), _CHUNK):
        numbers = range(start, min(start + _CHUNK, len(sentences)))
        if cached is not None:
            yield from cached.read(numbers)
        else:
            part = encode.encode_queries(teacher, [sentences[i] for i in numbers])
            yield from (part[i] for i in range(len(part)))


def _told(say: Callable[[str], None]) -> encode.Progress:
    """Say how far the encoding is, ten times in all."""
    last = 0

    def told(done: int, total: int) -> None:
        nonlocal last
        if done * 10 // total > last:
            last = done * 10 // total
            say(f"teacher vectors of passages: {done} of {total}")

    return told
