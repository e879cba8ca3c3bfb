"""MaxSim in float32 of documents in blocks of a few shapes, on the default device.

A block's documents are scored a tile at a time. On a CPU the similarities of a tile stay in the
cache; fewer, larger blocks leave less to dispatch, which of a single query takes as long as
the products. An accelerator takes a block at once.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from optical_jax.retrieval import blocks
from optical_jax.retrieval.encode import TokenVectors

TILE_TOKENS_ACCELERATOR = 32768
_TILE_TOKENS = {"cpu": 512}
_TILES = {"cpu": 32}


class Chunk(NamedTuple):
    """Documents start to start + count of a corpus.

    Attributes:
        start: position of the first one.
        count: how many.
        blocks: positions in the chunk, vectors [c n d] and lengths [c] of each block.
        tile: document tokens scored at once.
    """

    start: int
    count: int
    blocks: Iterable[tuple[np.ndarray, np.ndarray | Array, np.ndarray | Array]]
    tile: int


def chunk(
    corpus: TokenVectors,
    documents: Int[np.ndarray, " c"],
    *,
    start: int = 0,
    tile: int | None = None,
    tiles: int | None = None,
) -> Chunk:
    """Cut documents of a corpus into blocks, made as they are read.

    Args:
        corpus: where the documents are.
        documents: positions in corpus, which become 0, 1, ... in the chunk.
        start: see `Chunk`.
        tile: document tokens scored at once; None: by the kind of device.
        tiles: of a block at most; None: by the kind of device.
    """
    backend = jax.default_backend()
    tile = tile or _TILE_TOKENS.get(backend, TILE_TOKENS_ACCELERATOR)
    tiles = tiles or _TILES.get(backend, 1)
    made = blocks.blocks(corpus, documents, tile, tiles)
    return Chunk(start, len(documents), made, tile)


def on_device(part: Chunk) -> Chunk:
    """Return a chunk whose blocks stay on the device, for many searches.

    On a CPU in float32, so that no search widens them again: twice what an index of float16 takes.
    """
    wide = jnp.float32 if jax.default_backend() == "cpu" else None
    kept = [
        (docs, jnp.asarray(vectors, wide), jnp.asarray(lengths))
        for docs, vectors, lengths in part.blocks
    ]
    return part._replace(blocks=kept)


def scores(groups: Sequence[blocks.Queries], part: Chunk) -> Float[np.ndarray, "q c"]:
    """Return the scores of all queries of the groups, which follow each other, and a chunk."""
    pending = []
    for docs, vectors, lengths in part.blocks:
        tile = max(1, part.tile // vectors.shape[1])
        # Dispatch is asynchronous: the next block is copied while this one is scored.
        pending.append(
            (
                docs,
                [
                    score_block(vectors, lengths, g.tokens, g.slots, tile=tile)
                    for g in groups
                ],
            )
        )
    first = groups[0].rows.start
    found = np.empty((groups[-1].rows.stop - first, part.count), np.float32)
    for docs, parts in pending:
        for group, one in zip(groups, parts, strict=True):
            rows = slice(group.rows.start - first, group.rows.stop - first)
            found[rows, docs] = np.asarray(one)[: rows.stop - rows.start, : len(docs)]
    return found


@partial(jax.jit, static_argnames="tile")
def score_block(
    docs: Float[Array, "c n d"],
    lengths: Int[Array, " c"],
    tokens: Float[Array, "t d"],
    slots: Int[Array, "q m"],
    *,
    tile: int,
) -> Float[Array, "q c"]:
    """Return the MaxSim scores of a block of documents for a group of queries.

    Documents shorter than n repeat a token, which leaves every maximum as it is. slots holds each
    query's positions in tokens, -1 where it has no more. c is a multiple of tile, the number of
    documents that are scored at once.
    """
    c, n, d = docs.shape

    def best(some: Float[Array, "s n d"]) -> Float[Array, "s t"]:
        flat = some.astype(jnp.float32).reshape(tile * n, d)
        # Exact on accelerators too, whose default would round the factors.
        similarity = jnp.dot(flat, tokens.T, precision=jax.lax.Precision.HIGHEST)
        return similarity.reshape(tile, n, -1).max(axis=1)

    if c == tile:
        of_each = best(docs)
    else:
        of_each = jax.lax.map(best, docs.reshape(-1, tile, n, d)).reshape(c, -1)
    of_each = jnp.where((lengths > 0)[:, None], of_each, -jnp.inf)
    by_slot = jnp.where((slots >= 0)[..., None], of_each.T[slots], 0.0)
    # Summed over an axis, not scattered: one order of additions on every device.
    return by_slot.sum(axis=1)
