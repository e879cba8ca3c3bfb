"""A first pass of MaxSim in bfloat16, with a bound on its error that leaves few documents over.

Rounded to q' and x', a query's and a document's token are moved by e_q and e_x of known lengths:

    |q.x - q'.x'| = |q.e_x + e_q.x'| <= |q| |e_x| + |e_q| |x'|        (Cauchy-Schwarz)

for each pair of tokens, so for the closest token, so for the sum over the query's tokens, with the
largest |x'| and |e_x| of the document. One whose score plus its bound stays below the k-th highest
score minus bound is not among the best k. The others are scored in float32 by `search`.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from optical_jax.models import products

# Unit roundoff and smallest normal number of float32 and bfloat16's products.
_ROUNDOFF = 2.0**-24
_SMALLEST = float(np.finfo(np.float32).tiny)


class Block(NamedTuple):
    """Documents of about one length.

    Attributes:
        docs: their positions in the chunk.
        vectors: [c n d] bfloat16; documents shorter than n repeat a token, which leaves
            every maximum as it is.
        norms: largest length of a rounded token of each document.
        errors: largest length that a token was moved by.
    """

    docs: np.ndarray
    vectors: Array
    norms: np.ndarray
    errors: np.ndarray


class Chunk(NamedTuple):
    """Documents start to start + count of a corpus; those of empty have no token."""

    start: int
    count: int
    empty: np.ndarray
    blocks: list[Block]


class Queries(NamedTuple):
    """Rounded queries: tokens [d t] bfloat16, slots [q m] as in `search`.

    norms and errors are the sums, over each query's tokens, of |q| and of |e_q|.
    """

    tokens: Array
    slots: np.ndarray
    norms: np.ndarray
    errors: np.ndarray


def pays() -> bool:
    """Whether this device multiplies bfloat16 faster than float32, at full precision.

    On a CPU that has no instruction for it, XLA widens the numbers first. Accelerators are left
    to one pass: what a second one saves there was not measured.
    """
    return products.rounding_is_faster(jax.default_backend())


def chunk(
    blocks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    lengths: Int[np.ndarray, " n"],
    start: int,
) -> Chunk:
    """Round the blocks of a chunk: positions in it, vectors [c n d], lengths [c]."""
    made = []
    for docs, vectors, _ in blocks:
        rounded, norms, errors = _round(vectors)
        size = len(docs)
        made.append(
            Block(docs, rounded, np.asarray(norms)[:size], np.asarray(errors)[:size])
        )
    return Chunk(start, len(lengths), np.flatnonzero(lengths == 0), made)


def queries(
    tokens: Float[np.ndarray, "t d"],
    slots: Int[np.ndarray, "q m"],
) -> Queries:
    """Round a group of queries."""
    rounded = np.asarray(tokens, jnp.bfloat16)
    wide = tokens.astype(np.float64)
    lengths = np.stack(
        [
            np.linalg.norm(wide, axis=1),
            np.linalg.norm(wide - rounded.astype(np.float64), axis=1),
        ]
    )
    # Slot -1 takes the last column, which is 0.
    norms, errors = np.pad(lengths, ((0, 0), (0, 1)))[:, slots].sum(axis=2)
    return Queries(jnp.asarray(np.ascontiguousarray(rounded.T)), slots, norms, errors)


def bounds(
    group: Queries, part: Chunk, count: int
) -> tuple[Float[np.ndarray, "q n"], Float[np.ndarray, "q n"]]:
    """Return what the float32 scores of a chunk are at least and at most.

    Args:
        group: queries; the first count of them are real.
        part: documents.
        count: number of queries.
    """
    scores = np.empty((count, part.count), np.float32)
    norms, errors = np.empty(part.count), np.empty(part.count)
    pending = [
        (b, score_block(b.vectors, group.tokens, group.slots)) for b in part.blocks
    ]
    for block, found in pending:
        size = len(block.docs)
        scores[:, block.docs] = np.asarray(found)[:count, :size]
        norms[block.docs], errors[block.docs] = block.norms, block.errors
    scored = (group.slots[:count] >= 0).any(axis=1)
    scores[np.ix_(scored, part.empty)] = -np.inf
    width, longest = group.tokens.shape[0], group.slots.shape[1]
    # Sums of d products and of m maxima, here and in float32, in any order; four times what
    # their analysis gives (Higham 2002, section 3.1), for the norms are rounded too.
    slack = 8 * (width + longest + 8) * _ROUNDOFF
    query_norms, query_errors = group.norms[:count, None], group.errors[:count, None]
    with np.errstate(over="ignore", invalid="ignore"):
        error = query_norms * (errors + slack * (norms + errors))
        error += (1 + slack) * query_errors * norms
        # Numbers below the smallest normal one count as 0.
        error += 8 * width * longest * _SMALLEST * (1 + query_norms) * (1 + norms)
        lower, upper = scores - error, scores + error
    # What overflowed is neither high nor low.
    return np.where(np.isnan(lower), -np.inf, lower), upper


@jax.jit
def _round(
    vectors: Float[Array, "c n d"],
) -> tuple[Float[Array, "c n d"], Float[Array, " c"], Float[Array, " c"]]:
    wide = vectors.astype(jnp.float32)
    rounded = wide.astype(jnp.bfloat16)
    # Kept apart, or XLA may take the rounding back and find no error.
    rounded = jax.lax.optimization_barrier(rounded)
    again = rounded.astype(jnp.float32)
    norms = jnp.sqrt(jnp.square(again).sum(axis=2).max(axis=1))
    errors = jnp.sqrt(jnp.square(wide - again).sum(axis=2).max(axis=1))
    return rounded, norms, errors


@jax.jit
def score_block(
    docs: Float[Array, "c n d"], tokens: Float[Array, "d t"], slots: Int[Array, "q m"]
) -> Float[Array, "q c"]:
    """Return the MaxSim scores of a block by bfloat16 products, summed in float32."""
    c, n, d = docs.shape
    flat = docs.reshape(c * n, d)
    similarity = jnp.dot(flat, tokens, preferred_element_type=jnp.float32)
    best = similarity.reshape(c, n, -1).max(axis=1)
    return jnp.where((slots >= 0)[..., None], best.T[slots], 0.0).sum(axis=1)


class Candidates:
    """The documents that may be among the best k, as chunk after chunk is seen."""

    def __init__(self, count: int, k: int) -> None:
        # The k highest lower bounds of each query so far.
        self._floors = np.full((count, k), -np.inf)
        self._kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(
        self, rows: slice, part: Chunk, lower: np.ndarray, upper: np.ndarray
    ) -> None:
        """Take the bounds of some queries and a chunk."""
        k = self._floors.shape[1]
        both = np.concatenate([self._floors[rows], lower], axis=1)
        self._floors[rows] = np.partition(both, -k, axis=1)[:, -k:]
        threshold = self._floors[rows].min(axis=1)
        # Not "at least": what is not a number stays.
        query, doc = np.nonzero(~(upper < threshold[:, None]))
        self._kept.append((query + rows.start, doc + part.start, upper[query, doc]))

    def of_each(self) -> Iterator[Int[np.ndarray, " c"]]:
        """Yield the positions of each query's candidates, in order."""
        query, doc, upper = (np.concatenate(x) for x in zip(*self._kept, strict=True))
        threshold = self._floors.min(axis=1)
        left = ~(upper < threshold[query])
        query, doc = query[left], doc[left]
        order = np.lexsort((doc, query))
        cuts = np.searchsorted(query[order], np.arange(1, len(threshold)))
        yield from np.split(doc[order], cuts)
