"""MaxSim between the queries and the documents of a batch."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from optical_jax.objectives.tokens import TokenBatch, Use
from optical_jax.retrieval import maxsim

# Similarities of tokens that a device holds at once, as float32: 128 MiB.
_LARGEST_BLOCK = 2**25


def uses(documents: Literal["student", "teacher"]) -> tuple[Use, Use]:
    """Return the texts of an example of relevance: who encodes its documents is said."""
    return Use("student", "query", "query"), Use(documents, "document", "document")


def every_pair(queries: TokenBatch, documents: TokenBatch) -> Float[Array, "q d"]:
    """Score every query with every document of the batch.

    Args:
        queries: [q m p].
        documents: [d n p].

    Returns:
        The sum over each query's scored slots, see `maxsim`.
    """
    over_documents = jax.vmap(maxsim.maxsim, in_axes=(None, 0, None, 0))
    over_queries = jax.vmap(
        lambda vectors, scored: over_documents(
            vectors, documents.vectors, scored, documents.scored
        )
    )
    parts = _parts(queries, documents)
    if parts == 1:
        return over_queries(queries.vectors, queries.scored)
    # A block at a time and recomputed in the backward pass: the similarities of all
    # tokens of a large batch, [q d m n], would not fit.
    block = jax.checkpoint(lambda rows: over_queries(*rows))
    # Block i takes every parts-th query, so that each device works on rows it holds.
    blocks = jax.tree.map(
        lambda x: x.reshape(len(x) // parts, parts, *x.shape[1:]).swapaxes(0, 1),
        (queries.vectors, queries.scored),
    )
    scores = jax.lax.map(block, blocks)
    return scores.swapaxes(0, 1).reshape(len(queries.vectors), -1)


def _parts(queries: TokenBatch, documents: TokenBatch) -> int:
    """Return how many blocks to cut the queries into: a divisor of their number."""
    (q, m, _), (d, n, _) = queries.vectors.shape, documents.vectors.shape
    least = q * d * m * n / (_LARGEST_BLOCK * jax.device_count())
    enough = (parts for parts in range(1, q) if not q % parts and parts >= least)
    return next(enough, q)


def own_documents(queries: TokenBatch, documents: TokenBatch) -> Float[Array, "q k"]:
    """Score every query with its own k documents alone.

    Args:
        queries: [q m p].
        documents: [q * k, n, p], the k documents of one query after those of another.
    """
    grouped = jax.tree.map(
        lambda x: x.reshape(len(queries.vectors), -1, *x.shape[1:]),
        (documents.vectors, documents.scored),
    )
    over_documents = jax.vmap(maxsim.maxsim, in_axes=(None, 0, None, 0))
    return jax.vmap(lambda q, d, i, j: over_documents(q, d, i, j))(
        queries.vectors, grouped[0], queries.scored, grouped[1]
    )


def per_slot(scores: Float[Array, "q k"], queries: TokenBatch) -> Float[Array, "q k"]:
    """Return scores as means over each query's scored slots, in [-1, 1].

    So the scores of a sentence and of its translation, cut into other numbers of tokens,
    can be compared.
    """
    slots = queries.scored.sum(axis=1, keepdims=True)
    return scores / jnp.maximum(slots, 1).astype(jnp.float32)
