"""Exact MaxSim search over encoded documents, in jit, block by block.

Documents are taken in chunks; within one they are sorted by length and padded into blocks
of a few shapes, scored against all query tokens by one matrix product, and put back in
their own order before the running top k is merged. So equal scores rank by document
position, which in a collection sorted by doc_id is doc_id ascending.

Where bfloat16 is faster, all documents are scored in it first and only those that may be
among the best k in float32 (`rough`): the ranking is the same.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from optical_jax import host_memory
from optical_jax.retrieval import blocks, exact, rough
from optical_jax.retrieval.encode import Progress, TokenVectors

_QUERY_TOKENS = 2048
# The same of the first pass, whose factors are half as large.
_ROUGH_BLOCK_TOKENS, _ROUGH_QUERY_TOKENS = 2048, 512
_CHUNK = 4096
# Two passes pay where few documents are returned, and are many enough to compile for.
_DOCUMENTS_PER_RESULT = 8
_LEAST_TOKENS = 1 << 15


class Ranking(NamedTuple):
    """The best documents of each query, [q k]: positions int32 and scores float32.

    A score of -inf marks a slot without a document.
    """

    indices: np.ndarray
    scores: np.ndarray


class Prepared(NamedTuple):
    """A corpus laid out for many searches.

    Attributes:
        passes: that it serves.
        chunks: documents in blocks, one after the other, rounded if there are two passes.
    """

    passes: Literal["one", "two"]
    chunks: tuple[exact.Chunk, ...] | tuple[rough.Chunk, ...]

    @property
    def count(self) -> int:
        """Number of documents."""
        return self.chunks[-1].start + self.chunks[-1].count


def search(
    queries: TokenVectors,
    corpus: TokenVectors,
    *,
    k: int = 1000,
    block_tokens: int | None = None,
    query_tokens: int = _QUERY_TOKENS,
    chunk: int = _CHUNK,
    passes: Literal["auto", "one", "two"] = "auto",
    prepared: Prepared | None = None,
    progress: Progress | None = None,
) -> Ranking:
    """Rank the documents of a corpus for each query by MaxSim, best first.

    Args:
        queries: vectors of the query tokens.
        corpus: vectors of the document tokens; may lie in a memory-mapped file, or be
            compressed, and are then read a chunk at a time.
        k: documents to return for each query, at most as many as there are.
        block_tokens: document tokens scored at once; None: by the kind of device.
        query_tokens: query tokens scored at once.
        chunk: documents between two merges of the top k.
        passes: "one" in float32, "two" with a first one in bfloat16, or whichever is
            faster here; the documents found are the same.
        prepared: of the same corpus, by `prepare`; None: made on the way.
        progress: called after each chunk with documents done and all documents.

    Raises:
        ValueError: if the widths differ, there is no query or no document, or prepared
            is of another number of documents.
    """
    check(queries, corpus, k)
    k = min(k, len(corpus))
    if prepared is not None and prepared.count != len(corpus):
        raise ValueError(
            f"prepared must be of the corpus that is searched, got one of "
            f"{prepared.count} documents for {len(corpus)}; prepare it again"
        )
    if passes == "auto":
        passes = "two" if _two_pay(corpus, k) else "one"
    ready = prepared.chunks if prepared and prepared.passes == passes else None
    if passes == "two":
        return _two_passes(queries, corpus, k, chunk, ready, progress)
    groups = [
        group._replace(tokens=jnp.asarray(group.tokens), slots=jnp.asarray(group.slots))
        for group in blocks.groups(queries, query_tokens)
    ]
    scores = np.full((len(queries), k), -np.inf, np.float32)
    indices = np.full((len(queries), k), -1, np.int32)
    for part in ready or _exact_chunks(corpus, chunk, block_tokens):
        new = exact.scores(groups, part)
        for group in groups:
            scores[group.rows], indices[group.rows] = _merge(
                scores[group.rows], indices[group.rows], new[group.rows], part.start
            )
        if progress is not None:
            progress(part.start + part.count, len(corpus))
    return Ranking(indices, scores)


def prepare(
    corpus: TokenVectors,
    *,
    passes: Literal["auto", "one", "two"] = "auto",
    chunk: int = _CHUNK,
) -> Prepared | None:
    """Lay a corpus out once for many searches that return few documents.

    Without it each search does so again, which takes as long as some queries. What is kept takes
    2 bytes a number for two passes, for one 4 on a CPU and on an accelerator as many as in the
    corpus, and a tenth more where documents differ in length.

    Args:
        corpus: vectors of the document tokens.
        passes: of the searches; see `search`.
        chunk: documents between two merges of the top k.

    Returns:
        None if that is more than half of the memory that is free.
    """
    if not len(corpus):
        return None
    two = passes == "two" or (passes == "auto" and _two_pay(corpus, k=1))
    on_cpu = jax.default_backend() == "cpu"
    size = 2 if two else 4 if on_cpu else corpus.vectors.dtype.itemsize
    needed = size * corpus.vectors.shape[0] * corpus.vectors.shape[1]
    free = host_memory.available() if on_cpu else _free_on_device()
    if free is not None and needed > free // 2:
        return None
    if two:
        return Prepared("two", tuple(_rough_chunks(corpus, chunk)))
    chunks = _exact_chunks(corpus, chunk, None)
    return Prepared("one", tuple(exact.on_device(part) for part in chunks))


def matches(
    query: Float[np.ndarray, "m d"], doc: Float[np.ndarray, "n d"]
) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Return the closest document token of each query token, and its similarity."""
    similarity = query.astype(np.float32) @ doc.astype(np.float32).T
    return similarity.argmax(axis=1), similarity.max(axis=1)


def check(queries: TokenVectors, corpus: TokenVectors, k: int) -> None:
    """Refuse what cannot be searched; see `search`."""
    widths = queries.vectors.shape[1], corpus.vectors.shape[1]
    if widths[0] != widths[1]:
        raise ValueError(
            f"query and document vectors must have the same width, got {widths[0]} and "
            f"{widths[1]}; use a query encoder that was trained for this document encoder"
        )
    if not len(queries) or not len(corpus):
        raise ValueError(
            f"search needs at least one query and one document, got {len(queries)} and "
            f"{len(corpus)}"
        )
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")


def _two_pay(corpus: TokenVectors, k: int) -> bool:
    return (
        rough.pays()
        and k * _DOCUMENTS_PER_RESULT <= len(corpus)
        and int(corpus.offsets[-1]) >= _LEAST_TOKENS
    )


def _free_on_device() -> int | None:
    stats = jax.local_devices()[0].memory_stats()
    if not stats or "bytes_limit" not in stats:
        return None
    return stats["bytes_limit"] - stats["bytes_in_use"]


def _parts(corpus: TokenVectors, size: int) -> Iterator[tuple[int, TokenVectors]]:
    """Yield parts of a corpus with their first document's place.

    A part of vectors that are compressed or in several files is read at once.
    """
    for start in range(0, len(corpus), size):
        yield start, corpus.part(start, min(start + size, len(corpus)))


def _exact_chunks(
    corpus: TokenVectors, size: int, tile: int | None
) -> Iterator[exact.Chunk]:
    for start, part in _parts(corpus, size):
        yield exact.chunk(part, np.arange(len(part)), start=start, tile=tile)


def _rough_chunks(corpus: TokenVectors, size: int) -> Iterator[rough.Chunk]:
    for start, part in _parts(corpus, size):
        made = blocks.blocks(part, np.arange(len(part)), _ROUGH_BLOCK_TOKENS)
        yield rough.chunk(made, part.lengths, start)


def _two_passes(
    queries: TokenVectors,
    corpus: TokenVectors,
    k: int,
    chunk: int,
    ready: tuple[rough.Chunk, ...] | None,
    progress: Progress | None,
) -> Ranking:
    groups = list(blocks.groups(queries, _ROUGH_QUERY_TOKENS))
    rounded = [rough.queries(group.tokens, group.slots) for group in groups]
    candidates = rough.Candidates(len(queries), k)
    for part in ready or _rough_chunks(corpus, chunk):
        for group, small in zip(groups, rounded, strict=True):
            count = group.rows.stop - group.rows.start
            candidates.add(group.rows, part, *rough.bounds(small, part, count))
        if progress is not None:
            progress(part.start + part.count, len(corpus))
    scores = np.full((len(queries), k), -np.inf, np.float32)
    indices = np.full((len(queries), k), -1, np.int32)
    for i, documents in enumerate(candidates.of_each()):
        group = blocks.group(queries, slice(i, i + 1))
        # Single tiles: few documents are left, and few shapes are compiled.
        (found,) = exact.scores([group], exact.chunk(corpus, documents, tiles=1))
        # Documents are in order, and the sort is stable: of equal scores the first.
        order = np.argsort(-found, kind="stable")[:k]
        scores[i, : len(order)] = found[order]
        indices[i, : len(order)] = np.where(
            found[order] > -np.inf, documents[order], -1
        )
    return Ranking(indices, scores)


@jax.jit
def _merge(
    scores: Float[Array, "q k"],
    indices: Int[Array, "q k"],
    new: Float[Array, "q c"],
    start: Int[Array, ""] | int,
) -> tuple[Float[Array, "q k"], Int[Array, "q k"]]:
    positions = start + jnp.arange(new.shape[1], dtype=jnp.int32)
    everything = jnp.concatenate([scores, new], axis=1)
    named = jnp.concatenate([indices, jnp.broadcast_to(positions, new.shape)], axis=1)
    # Of equal scores top_k takes the first, and earlier chunks come first.
    best, places = jax.lax.top_k(everything, scores.shape[1])
    return best, jnp.take_along_axis(named, places, axis=1)
