"""Greedy token alignment, then regression: the objective of DR.DECR."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from optical_jax.objectives import pairs, tokens


@dataclass(frozen=True, kw_only=True)
class GreedyConfig(pairs.PairsConfig):
    """Settings of the greedy objective."""


def loss(
    encode: tokens.Encode, config: GreedyConfig
) -> tuple[Float[Array, ""], pairs.Metrics]:
    """Match the closest pair of tokens, take both out, go on; then move matches together.

    Args:
        encode: gives the student's tokens of field "target" [b m p] and the teacher's of
            field "source" [b n p].
        config: see GreedyConfig.

    Returns:
        The mean over matched tokens and pairs of 1 - cos (see `pairs.moved` for how this
        is their mean squared error), and the metrics of `pairs.moved`.

    References:
        Li, Franz, Sultan, Iyer, Lee, Sil: Learning Cross-Lingual IR from an English
        Retriever, NAACL 2022, arXiv 2112.08185.
    """
    student, teacher = encode.student("target"), encode.teacher("source")
    return pairs.matched(student, teacher, greedy_matches)


def greedy_matches(
    cost_matrix: Float[Array, "m n"],
    rows: Bool[Array, " m"],
    columns: Bool[Array, " n"],
) -> Float[Array, "m n"]:
    """Return a 1 for each match: repeatedly the global minimum of what is left.

    Every row and every column that holds text is used at most once, and all of the
    shorter side are. Of equal costs the first by row, then by column, is taken.
    """
    m, n = cost_matrix.shape
    left = jnp.where(rows[:, None] & columns[None], cost_matrix, jnp.inf)

    def body(_: Array | int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        left, matches = state
        i, j = jnp.divmod(jnp.argmin(left), n)
        row, column = (jnp.arange(m) == i)[:, None], (jnp.arange(n) == j)[None]
        matches = matches | (row & column & jnp.isfinite(left))
        return jnp.where(row | column, jnp.inf, left), matches

    start = (left, jnp.zeros((m, n), bool))
    _, matches = jax.lax.fori_loop(0, min(m, n), body, start)
    return matches.astype(jnp.float32)
