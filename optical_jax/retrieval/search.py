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

from optical_jax.retrieval import blocks, rough
from optical_jax.retrieval.encode import Progress, TokenVectors

# A block of similarities should stay in a CPU's cache; an accelerator wants large products.
_BLOCK_TOKENS = {"cpu": 1024}
BLOCK_TOKENS_ACCELERATOR = 32768
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


# A corpus rounded for the first of two passes.
Prepared = tuple[rough.Chunk, ...]


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
    if passes == "two" or (passes == "auto" and _two_pay(corpus, k)):
        return _two_passes(queries, corpus, k, chunk, prepared, progress)
    block_tokens = block_tokens or _BLOCK_TOKENS.get(
        jax.default_backend(), BLOCK_TOKENS_ACCELERATOR
    )
    groups = list(blocks.groups(queries, query_tokens))
    scores = np.full((len(queries), k), -np.inf, np.float32)
    indices = np.full((len(queries), k), -1, np.int32)
    for start in range(0, len(corpus), chunk):
        stop = min(start + chunk, len(corpus))
        new = np.empty((len(queries), stop - start), np.float32)
        # A part of vectors that are compressed or in several files is read at once.
        part = corpus.part(start, stop)
        _score(groups, part, np.arange(len(part)), block_tokens, new)
        for group in groups:
            scores[group.rows], indices[group.rows] = _merge(
                scores[group.rows], indices[group.rows], new[group.rows], start
            )
        if progress is not None:
            progress(stop, len(corpus))
    return Ranking(indices, scores)


def prepare(corpus: TokenVectors, *, chunk: int = _CHUNK) -> Prepared | None:
    """Round a corpus once for many searches: 2 bytes a number; None where none is saved.

    Without it each search rounds the corpus again, which takes as long as some queries.
    """
    if not len(corpus) or not _two_pay(corpus, k=1):
        return None
    return tuple(_rough_chunks(corpus, chunk))


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


def _rough_chunks(corpus: TokenVectors, size: int) -> Iterator[rough.Chunk]:
    for start in range(0, len(corpus), size):
        stop = min(start + size, len(corpus))
        part = corpus.part(start, stop)
        made = blocks.blocks(part, np.arange(len(part)), _ROUGH_BLOCK_TOKENS)
        yield rough.chunk(made, part.lengths, start)


def _two_passes(
    queries: TokenVectors,
    corpus: TokenVectors,
    k: int,
    chunk: int,
    prepared: Prepared | None,
    progress: Progress | None,
) -> Ranking:
    if prepared is not None and prepared[-1].start + prepared[-1].count != len(corpus):
        raise ValueError(
            f"prepared must be of the corpus that is searched, got one of "
            f"{prepared[-1].start + prepared[-1].count} documents for {len(corpus)}; "
            "prepare it again"
        )
    groups = list(blocks.groups(queries, _ROUGH_QUERY_TOKENS))
    rounded = [rough.queries(group.tokens, group.slots) for group in groups]
    candidates = rough.Candidates(len(queries), k)
    for part in prepared or _rough_chunks(corpus, chunk):
        for group, small in zip(groups, rounded, strict=True):
            count = group.rows.stop - group.rows.start
            candidates.add(group.rows, part, *rough.bounds(small, part, count))
        if progress is not None:
            progress(part.start + part.count, len(corpus))
    scores = np.full((len(queries), k), -np.inf, np.float32)
    indices = np.full((len(queries), k), -1, np.int32)
    block_tokens = _BLOCK_TOKENS.get(jax.default_backend(), BLOCK_TOKENS_ACCELERATOR)
    for i, documents in enumerate(candidates.of_each()):
        group = blocks.group(queries, slice(i, i + 1))
        found = np.full(len(documents), -np.inf, np.float32)
        _score([group], corpus, documents, block_tokens, found[None])
        # Documents are in order, and the sort is stable: of equal scores the first.
        order = np.argsort(-found, kind="stable")[:k]
        scores[i, : len(order)] = found[order]
        indices[i, : len(order)] = np.where(
            found[order] > -np.inf, documents[order], -1
        )
    return Ranking(indices, scores)


def _score(
    groups: list[blocks.Queries],
    corpus: TokenVectors,
    documents: Int[np.ndarray, " c"],
    block_tokens: int,
    scores: Float[np.ndarray, "q c"],
) -> None:
    """Fill in the scores of all queries of the groups and some documents."""
    pending = []
    for docs, vectors, lengths in blocks.blocks(corpus, documents, block_tokens):
        # Dispatch is asynchronous: the next block is copied while this one is scored.
        pending.append(
            (docs, [score_block(vectors, lengths, g.tokens, g.slots) for g in groups])
        )
    first = groups[0].rows.start
    for docs, parts in pending:
        for group, part in zip(groups, parts, strict=True):
            rows = slice(group.rows.start - first, group.rows.stop - first)
            scores[rows, docs] = np.asarray(part)[: rows.stop - rows.start, : len(docs)]


@jax.jit
def score_block(
    docs: Float[Array, "c n d"],
    lengths: Int[Array, " c"],
    tokens: Float[Array, "t d"],
    slots: Int[Array, "q m"],
) -> Float[Array, "q c"]:
    """Return the MaxSim scores of a block of padded documents for a group of queries.

    slots holds each query's positions in tokens, -1 where it has no more.
    """
    c, n, d = docs.shape
    flat = docs.astype(jnp.float32).reshape(c * n, d)
    # Exact on accelerators too, whose default would round the factors.
    similarity = jnp.dot(flat, tokens.T, precision=jax.lax.Precision.HIGHEST)
    real = jnp.arange(n) < lengths[:, None]
    best = jnp.where(real[..., None], similarity.reshape(c, n, -1), -jnp.inf).max(
        axis=1
    )
    by_slot = jnp.where((slots >= 0)[..., None], best.T[slots], 0.0)
    # Summed over an axis, not scattered: one order of additions on every device.
    return by_slot.sum(axis=1)


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
