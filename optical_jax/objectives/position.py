"""Token regression by position, without looking at the vectors."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from optical_jax.objectives import pairs, tokens


@dataclass(frozen=True, kw_only=True)
class PositionConfig(pairs.PairsConfig):
    """Settings of the position objective."""

    # "absolute": token k with token k, the longer side's rest is left out. "relative":
    # both sentences are stretched to the same length, token spans match where they overlap.
    positions: Literal["absolute", "relative"] = "absolute"


def loss(
    encode: tokens.Encode, config: PositionConfig
) -> tuple[Float[Array, ""], pairs.Metrics]:
    """Move the student's tokens onto the teacher's at the same position.

    The baseline of token distillation without alignment: right for languages with English
    word order, and for [CLS] everywhere.

    Args:
        encode: gives the student's tokens of field "target" [b m p] and the teacher's of
            field "source" [b n p].
        config: see PositionConfig.

    Returns:
        The mean over pairs of 1 - cos of tokens at the same position (see `pairs.moved`
        for how this is their mean squared error), and the metrics of `pairs.moved`.
    """
    student, teacher = encode.student("target"), encode.teacher("source")
    plans = {"absolute": same_position, "relative": overlap}
    plan = plans[config.positions]
    return pairs.matched(student, teacher, lambda _, rows, columns: plan(rows, columns))


def same_position(
    rows: Bool[Array, " m"], columns: Bool[Array, " n"]
) -> Float[Array, "m n"]:
    """Return a 1 where a row and a column have the same rank among those chosen."""
    i, j = jnp.cumsum(rows), jnp.cumsum(columns)
    real = rows[:, None] & columns[None]
    return ((i[:, None] == j[None]) & real).astype(jnp.float32)


def overlap(rows: Bool[Array, " m"], columns: Bool[Array, " n"]) -> Float[Array, "m n"]:
    """Return how much the spans of a row and a column overlap, both sides cut out of [0, 1].

    This is the transport plan of even masses on a line: every token is used in full.
    """
    size = lambda chosen: jnp.maximum(chosen.sum(), 1)
    end_i, end_j = jnp.cumsum(rows) / size(rows), jnp.cumsum(columns) / size(columns)
    start_i, start_j = end_i - 1 / size(rows), end_j - 1 / size(columns)
    shared = jnp.minimum(end_i[:, None], end_j[None]) - jnp.maximum(
        start_i[:, None], start_j[None]
    )
    # Rounding leaves slivers between neighbours that only touch.
    shared = jnp.where(shared > 1e-6, shared, 0.0)
    return jnp.where(rows[:, None] & columns[None], shared, 0.0)
