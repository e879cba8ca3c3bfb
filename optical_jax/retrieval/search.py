"""Exact MaxSim search over encoded documents, in jit, block by block.

Documents are taken in chunks; within one they are sorted by length and padded into blocks
of a few shapes, scored against all query tokens by one matrix product, and put back in
their own order before the running top k is merged. So equal scores rank by document
position, which in a collection sorted by doc_id is doc_id ascending.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from optical_jax.retrieval.encode import Progress, TokenVectors

# A block of similarities should stay in a CPU's cache; an accelerator wants large products.
_BLOCK_TOKENS = {"cpu": 1024}
BLOCK_TOKENS_ACCELERATOR = 32768
_QUERY_TOKENS = 2048


class Ranking(NamedTuple):
    """The best documents of each query, [q k]: positions int32 and scores float32.

    A score of -inf marks a slot without a document.
    """

    indices: np.ndarray
    scores: np.ndarray


class _Queries(NamedTuple):
    """A group of whole queries: their rows, tokens [t d], each one's tokens (or -1)."""

    rows: slice
    tokens: np.ndarray
    slots: np.ndarray


def search(
    queries: TokenVectors,
    corpus: TokenVectors,
    *,
    k: int = 1000,
    block_tokens: int | None = None,
    query_tokens: int = _QUERY_TOKENS,
    chunk: int = 4096,
    progress: Progress | None = None,
) -> Ranking:
    """Rank the documents of a corpus for each query by MaxSim, best first.

    Args:
        queries: vectors of the query tokens.
        corpus: vectors of the document tokens; may lie in a memory-mapped file.
        k: documents to return for each query, at most as many as there are.
        block_tokens: document tokens scored at once; None: by the kind of device.
        query_tokens: query tokens scored at once.
        chunk: documents between two merges of the top k.
        progress: called after each chunk with documents done and all documents.

    Raises:
        ValueError: if the widths differ, or there is no query or no document.
    """
    check(queries, corpus, k)
    k = min(k, len(corpus))
    block_tokens = block_tokens or _BLOCK_TOKENS.get(
        jax.default_backend(), BLOCK_TOKENS_ACCELERATOR
    )
    groups = list(_groups(queries, query_tokens))
    scores = np.full((len(queries), k), -np.inf, np.float32)
    indices = np.full((len(queries), k), -1, np.int32)
    for start in range(0, len(corpus), chunk):
        stop = min(start + chunk, len(corpus))
        new = _score_chunk(groups, queries, corpus, start, stop, block_tokens)
        for group in groups:
            scores[group.rows], indices[group.rows] = _merge(
                scores[group.rows], indices[group.rows], new[group.rows], start
            )
        if progress is not None:
            progress(stop, len(corpus))
    return Ranking(indices, scores)


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


def _groups(queries: TokenVectors, limit: int) -> Iterator[_Queries]:
    """Cut the queries into groups of at most limit tokens, at least one query each."""
    start = 0
    while start < len(queries):
        full = queries.offsets[start] + limit
        stop = int(np.searchsorted(queries.offsets, full, side="right")) - 1
        stop = max(stop, start + 1)
        yield _group(queries, slice(start, stop))
        start = stop


def _group(queries: TokenVectors, rows: slice) -> _Queries:
    first, last = queries.offsets[rows.start], queries.offsets[rows.stop]
    lengths = queries.lengths[rows]
    count = last - first
    tokens = np.zeros((_round_up(int(count)), queries.vectors.shape[1]), np.float32)
    tokens[:count] = queries.vectors[first:last]
    longest = _round_up(max(int(lengths.max()), 1))
    slots = np.full((_round_up(len(lengths)), longest), -1, np.int32)
    within = np.arange(longest)
    real = within < lengths[:, None]
    begins = queries.offsets[rows] - first
    slots[: len(lengths)][real] = (begins[:, None] + within)[real]
    return _Queries(rows, tokens, slots)


def _score_chunk(
    groups: list[_Queries],
    queries: TokenVectors,
    corpus: TokenVectors,
    start: int,
    stop: int,
    block_tokens: int,
) -> np.ndarray:
    scores = np.empty((len(queries), stop - start), np.float32)
    pending = []
    for docs, vectors, lengths in _blocks(corpus, start, stop, block_tokens):
        # Dispatch is asynchronous: the next block is copied while this one is scored.
        pending.append(
            (docs, [score_block(vectors, lengths, g.tokens, g.slots) for g in groups])
        )
    for docs, parts in pending:
        for group, part in zip(groups, parts, strict=True):
            size = group.rows.stop - group.rows.start
            scores[group.rows, docs] = np.asarray(part)[:size, : len(docs)]
    return scores


def _blocks(
    corpus: TokenVectors, start: int, stop: int, block_tokens: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield document positions in the chunk, vectors [c n d] and lengths [c]."""
    lengths = np.diff(corpus.offsets[start : stop + 1])
    order = np.argsort(-lengths, kind="stable")
    done = 0
    while done < len(order):
        n = _round_up(max(int(lengths[order[done]]), 1))
        c = max(1, block_tokens // n)
        docs = order[done : done + c]
        vectors = np.zeros((c, n, corpus.vectors.shape[1]), corpus.vectors.dtype)
        for row, i in zip(vectors, docs, strict=False):
            row[: lengths[i]] = corpus[start + int(i)]
        counts = np.zeros(c, np.int32)
        counts[: len(docs)] = lengths[docs]
        yield docs, vectors, counts
        done += c


def _round_up(n: int) -> int:
    """Round up to one of four sizes an octave, so that few shapes are compiled."""
    step = max(1, 1 << max(0, int(n).bit_length() - 3))
    return -(-int(n) // step) * step


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
