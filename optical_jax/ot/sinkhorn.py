"""Entropic optimal transport between two token clouds (Cuturi 2013, arXiv 1306.0895).

    plan = argmin_P <P, C> + epsilon KL(P | a b^T)   with P 1 = a, P^T 1 = b

Two solvers of the same fixed point. "ott" runs ott-jax in the log domain and holds for any
epsilon. "scaling" iterates u = a / K v, v = b / K^T u on K = exp(-(C - row minimum) /
epsilon): two small products an iteration instead of two log-sum-exps, exact in float32 as
long as no entry of K underflows, which bounds epsilon from below. Always float32, always a
fixed number of iterations: a convergence test would cost accelerators a sync per check.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from ott.geometry import geometry
from ott.solvers import linear

Solver = Literal["auto", "ott", "scaling"]

# exp(-60) = 9e-27 leaves float32 (down to 1e-38) room for the products of the iteration.
_LARGEST_EXPONENT = 60.0


def choose(solver: Solver, *, epsilon: float, largest_cost: float) -> Solver:
    """Resolve "auto": "scaling" where its kernel cannot underflow, else "ott".

    Args:
        solver: what the configuration asks for.
        epsilon: strength of the entropy, in units of the cost.
        largest_cost: upper bound of the cost's entries (2 for the cosine distance).

    Raises:
        ValueError: if "scaling" is asked for and epsilon is too small for it.
    """
    fits = largest_cost / epsilon <= _LARGEST_EXPONENT
    if solver == "scaling" and not fits:
        raise ValueError(
            f"solver 'scaling' needs epsilon >= {largest_cost / _LARGEST_EXPONENT:.4f} "
            f"for costs up to {largest_cost:g}, got {epsilon}; use solver 'ott'"
        )
    if solver == "auto":
        return "scaling" if fits else "ott"
    return solver


def transport_plan(
    cost_matrix: Float[Array, "m n"],
    a: Float[Array, " m"],
    b: Float[Array, " n"],
    *,
    epsilon: float,
    iterations: int,
    solver: Literal["ott", "scaling"] = "ott",
) -> Float[Array, "m n"]:
    """Return the plan; rows and columns without mass are exactly zero.

    Args:
        cost_matrix: ground cost; entries at padding may hold anything finite.
        a: mass of each row, zero at padding.
        b: mass of each column, zero at padding, same total as a.
        epsilon: strength of the entropy, in units of the cost.
        iterations: Sinkhorn iterations, all of them run.
        solver: see the module; `choose` resolves a configuration's "auto".
    """
    cost_matrix = cost_matrix.astype(jnp.float32)
    if solver == "scaling":
        return _scaling(cost_matrix, a, b, epsilon=epsilon, iterations=iterations)
    out = linear.solve(
        geometry.Geometry(cost_matrix=cost_matrix, epsilon=epsilon),
        a=a,
        b=b,
        min_iterations=iterations,
        max_iterations=iterations,
        inner_iterations=iterations,
    )
    # ott leaves zero-mass rows to potentials of -inf; where both are empty that is NaN.
    return jnp.where((a[:, None] > 0) & (b[None] > 0), out.matrix, 0.0)


def _scaling(
    cost_matrix: Float[Array, "m n"],
    a: Float[Array, " m"],
    b: Float[Array, " n"],
    *,
    epsilon: float,
    iterations: int,
) -> Float[Array, "m n"]:
    real = (a[:, None] > 0) & (b[None] > 0)
    lowest = jnp.min(jnp.where(real, cost_matrix, jnp.inf), axis=1, keepdims=True)
    lowest = jnp.where(jnp.isfinite(lowest), lowest, 0.0)
    kernel = jnp.where(real, jnp.exp((lowest - cost_matrix) / epsilon), 0.0)

    def ratio(mass: Array, sums: Array) -> Array:
        return jnp.where(mass > 0, mass / jnp.where(sums > 0, sums, 1.0), 0.0)

    def body(_: Array | int, v: Array) -> Array:
        return ratio(b, ratio(a, kernel @ v) @ kernel)

    v = jax.lax.fori_loop(0, iterations, body, jnp.where(b > 0, 1.0, 0.0))
    return ratio(a, kernel @ v)[:, None] * kernel * v[None]
