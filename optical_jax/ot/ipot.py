"""Optimal transport without entropy by inexact proximal points (IPOT).

    plan_k+1 = argmin_P <P, C> + beta KL(P | plan_k)   with P 1 = a, P^T 1 = b

Each step is an entropic problem solved by one pair of scalings only; the iterates converge
to a plan of the unregularised problem whatever beta is (Xie, Wang, Wang, Zha: A Fast
Proximal Point Method for Computing Exact Wasserstein Distance, UAI 2019, arXiv 1802.04307,
algorithm 1 with L = 1). Balanced problems only. Always float32, a fixed number of
iterations.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from optical_jax.ot import sinkhorn

# An entry that a step rounds to zero could never come back.
_SMALLEST = 1e-30


def check(*, beta: float, largest_cost: float) -> None:
    """Check that the kernel of a step cannot underflow.

    Raises:
        ValueError: naming the smallest beta that float32 holds for these costs.
    """
    if largest_cost / beta > sinkhorn.LARGEST_EXPONENT:
        raise ValueError(
            f"solver 'ipot' needs epsilon >= "
            f"{largest_cost / sinkhorn.LARGEST_EXPONENT:.4f} for costs up to "
            f"{largest_cost:g}, got {beta}; a larger one is as exact, only slower"
        )


def transport_plan(
    cost_matrix: Float[Array, "m n"],
    a: Float[Array, " m"],
    b: Float[Array, " n"],
    *,
    beta: sinkhorn.Epsilon,
    iterations: int,
) -> Float[Array, "m n"]:
    """Return the plan; rows and columns without mass are exactly zero.

    Args:
        cost_matrix: ground cost; entries at padding may hold anything finite.
        a: mass of each row, zero at padding.
        b: mass of each column, zero at padding, same total as a.
        beta: strength of the proximal term, in units of the cost: smaller ones converge
            in fewer iterations; may be traced.
        iterations: proximal steps, all of them run.
    """
    cost_matrix = cost_matrix.astype(jnp.float32)
    real = (a[:, None] > 0) & (b[None] > 0)
    lowest = jnp.min(jnp.where(real, cost_matrix, jnp.inf), axis=1, keepdims=True)
    lowest = jnp.where(jnp.isfinite(lowest), lowest, 0.0)
    kernel = jnp.where(real, jnp.exp((lowest - cost_matrix) / beta), 0.0)

    def ratio(mass: Array, sums: Array) -> Array:
        return mass / jnp.where(sums > 0, sums, jnp.inf)

    def body(_: Array | int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        plan, v = state
        step = kernel * plan
        u = ratio(a, step @ v)
        v = ratio(b, u @ step)
        return jnp.where(real, jnp.maximum(u[:, None] * step * v, _SMALLEST), 0.0), v

    start = (real.astype(jnp.float32), (b > 0) / jnp.maximum(jnp.sum(b > 0), 1))
    return jax.lax.fori_loop(0, iterations, body, start)[0]
