"""Each token onto its closest counterpart: alignment by maximum similarity."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from optical_jax.objectives import pairs, tokens


@dataclass(frozen=True, kw_only=True)
class MaxAlignConfig(pairs.PairsConfig):
    """Settings of the max-align objective."""

    # Match each teacher token with its closest student token too: otherwise teacher tokens
    # that are nobody's closest teach nothing.
    symmetric: bool = False


def loss(
    encode: tokens.Encode, config: MaxAlignConfig
) -> tuple[Float[Array, ""], pairs.Metrics]:
    """Move each student token towards the teacher token that is closest to it already.

    Args:
        encode: gives the student's tokens of field "target" [b m p] and the teacher's of
            field "source" [b n p].
        config: see MaxAlignConfig.

    Returns:
        The mean over tokens and pairs of 1 - max cos, or the mean of both directions'; and
        the metrics of `pairs.moved` (linked_teacher falls where student tokens crowd
        around few teacher tokens).

    References:
        The matching is that of BERTScore (Zhang et al., ICLR 2020, arXiv 1904.09675):
        one direction is 1 - its precision, without IDF weights.
    """
    student, teacher = encode.student("target"), encode.teacher("source")

    def plan(cost_matrix: Array, rows: Array, columns: Array) -> Array:
        closest = closest_matches(cost_matrix, rows, columns)
        if config.symmetric:
            closest += closest_matches(cost_matrix.T, columns, rows).T
        return closest

    return pairs.matched(student, teacher, plan)


def closest_matches(
    cost_matrix: Float[Array, "m n"],
    rows: Bool[Array, " m"],
    columns: Bool[Array, " n"],
) -> Float[Array, "m n"]:
    """Share a mass of 1 evenly among the rows, each giving its own to its cheapest column.

    Of equal costs the first column is taken; without any column there is no mass.
    """
    left = jnp.where(columns[None], cost_matrix, jnp.inf)
    cheapest = jax.nn.one_hot(left.argmin(axis=1), cost_matrix.shape[1])
    real = rows[:, None] & columns[None]
    return jnp.where(real, cheapest, 0.0) / jnp.maximum(rows.sum(), 1)
