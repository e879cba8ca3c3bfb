"""Queries in groups and documents in blocks: few shapes, so that few are compiled."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from optical_jax.retrieval.encode import TokenVectors


class Queries(NamedTuple):
    """A group of whole queries: their rows, tokens [t d], each one's tokens (or -1)."""

    rows: slice
    tokens: np.ndarray
    slots: np.ndarray


def groups(queries: TokenVectors, limit: int) -> Iterator[Queries]:
    """Cut the queries into groups of at most limit tokens, at least one query each."""
    start = 0
    while start < len(queries):
        full = queries.offsets[start] + limit
        stop = int(np.searchsorted(queries.offsets, full, side="right")) - 1
        stop = max(stop, start + 1)
        yield group(queries, slice(start, stop))
        start = stop


def group(queries: TokenVectors, rows: slice) -> Queries:
    """Put some queries into one group."""
    first, last = queries.offsets[rows.start], queries.offsets[rows.stop]
    lengths = queries.lengths[rows]
    count = last - first
    tokens = np.zeros(
        (_round_up(max(int(count), 1)), queries.vectors.shape[1]), np.float32
    )
    tokens[:count] = queries.vectors[first:last]
    longest = _round_up(max(int(lengths.max()), 1))
    slots = np.full((_round_up(len(lengths)), longest), -1, np.int32)
    within = np.arange(longest)
    real = within < lengths[:, None]
    begins = queries.offsets[rows] - first
    slots[: len(lengths)][real] = (begins[:, None] + within)[real]
    return Queries(rows, tokens, slots)


def blocks(
    corpus: TokenVectors,
    documents: Int[np.ndarray, " c"],
    tile_tokens: int,
    tiles: int = 1,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield places in documents, their vectors [c n d] and lengths [c].

    Documents shorter than n repeat their last token. A block has at most that many tiles, each
    of as many documents as have tile_tokens tokens, and no more than are needed.
    """
    begins, ends = corpus.offsets[documents], corpus.offsets[documents + 1]
    lengths = ends - begins
    order = np.argsort(-lengths, kind="stable")
    done = 0
    while done < len(order):
        # Documents are most of what is multiplied: less padding, for more shapes.
        n = _round_up(max(int(lengths[order[done]]), 1), 8)
        tile = max(1, tile_tokens // n)
        c = tile * min(tiles, _round_up(-(-(len(order) - done) // tile)))
        docs = order[done : done + c]
        vectors = np.zeros((c, n, corpus.vectors.shape[1]), corpus.vectors.dtype)
        for row, i in zip(vectors, docs, strict=False):
            row[: lengths[i]] = corpus.vectors[begins[i] : ends[i]]
            row[lengths[i] :] = row[max(lengths[i] - 1, 0)]
        counts = np.zeros(c, np.int32)
        counts[: len(docs)] = lengths[docs]
        yield docs, vectors, counts
        done += c


def _round_up(n: int, sizes: int = 4) -> int:
    """Round up to one of so many sizes an octave, a power of 2, so that few are compiled."""
    step = max(1, 1 << max(0, int(n).bit_length() - sizes.bit_length()))
    return -(-int(n) // step) * step
