"""What a plan and a student look like while training; one pair of sentences at a time."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def marginal_error(
    plan: Float[Array, "m n"], a: Float[Array, " m"], b: Float[Array, " n"]
) -> Float[Array, ""]:
    """Return the L1 distance of the plan's marginals from a and b, both sides added."""
    rows = jnp.abs(plan.sum(axis=1) - a).sum()
    return rows + jnp.abs(plan.sum(axis=0) - b).sum()


def entropy(plan: Float[Array, "m n"]) -> Float[Array, ""]:
    """Return -sum P log P in nats; log(m n) for an even plan of m n entries."""
    return -jnp.sum(jnp.where(plan > 0, plan * jnp.log(jnp.maximum(plan, 1e-38)), 0.0))


def mean_pairwise_cosine(
    x: Float[Array, "m d"], chosen: Bool[Array, " m"]
) -> Float[Array, ""]:
    """Return the mean cosine of different chosen unit vectors; near 1 means collapse.

    With sums s of k vectors: |s|^2 = k + sum over pairs, so no [m m] matrix is built.
    """
    weights = chosen.astype(jnp.float32)
    total = weights @ x.astype(jnp.float32)
    k = weights.sum()
    return (total @ total - k) / jnp.maximum(k * (k - 1.0), 1.0)
