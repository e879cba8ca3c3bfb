"""Entropic optimal transport between two token clouds (Cuturi 2013, arXiv 1306.0895).

    plan = argmin_P <P, C> + epsilon KL(P | a b^T)   with P 1 = a, P^T 1 = b

Two solvers of the same fixed point. "ott" runs ott-jax in the log domain and holds for any
epsilon. "scaling" iterates u = a / K v, v = b / K^T u on K = exp(-(C - row minimum) /
epsilon): two small products an iteration instead of two log-sum-exps, exact in float32 as
long as no entry of K underflows, which bounds epsilon from below. Always float32, always a
fixed number of iterations: a convergence test would cost accelerators a sync per check.

Unbalanced (Chizat et al. 2018, arXiv 1607.05816): a side with tau < 1 need not meet its
mass; the objective gains rho KL(P 1 | a) in place of the constraint, with ott-jax's
rho = epsilon tau / (1 - tau), so that tau -> 1 is the balanced problem. The entropy stays
relative to a b^T. (ott-jax's own iteration, given tau < 1, measures it against an even mass
of 1 an entry, so that longer sentences carry more mass.)
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Solver = Literal["auto", "ott", "scaling"]
Epsilon = float | Float[Array, ""]

# exp(-60) = 9e-27 leaves float32 (down to 1e-38) room for the products of the iteration.
LARGEST_EXPONENT = 60.0


@dataclass(frozen=True, kw_only=True)
class Decay:
    """Epsilon within one solve: init * epsilon * decay^iteration, until it is epsilon."""

    # Times epsilon, at the first iteration.
    init: float = 1.0
    # Factor from one iteration to the next.
    decay: float = 1.0

    def __post_init__(self) -> None:
        """Check that epsilon starts high and falls."""
        if not self.init >= 1:
            raise ValueError(
                f"decay.init must be >= 1 (times epsilon), got {self.init}"
            )
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay.decay must be in (0, 1], got {self.decay}")
        if self.init > 1 and self.decay == 1:
            raise ValueError(
                f"decay.decay must be < 1 for decay.init {self.init} to fall to epsilon, "
                "got 1"
            )


NO_DECAY = Decay()


def choose(
    solver: Solver,
    *,
    epsilon: float,
    largest_cost: float,
    tau_a: float = 1.0,
    decay: Decay = NO_DECAY,
) -> Literal["ott", "scaling"]:
    """Resolve "auto": "scaling" where its kernel cannot underflow, else "ott".

    Args:
        solver: what the configuration asks for.
        epsilon: strength of the entropy, in units of the cost; the smallest of a run.
        largest_cost: upper bound of the cost's entries (2 for the cosine distance).
        tau_a: below 1, row minima no longer cancel: their kernel entries multiply.
        decay: epsilon within one solve, which only "ott" knows.

    Raises:
        ValueError: if "scaling" is asked for and cannot do it.
    """
    if decay != NO_DECAY:
        if solver == "scaling":
            raise ValueError(
                "solver 'scaling' has one epsilon a solve, got "
                f"decay.init {decay.init}; use solver 'ott'"
            )
        return "ott"
    reach = largest_cost * (2.0 - tau_a)
    fits = reach / epsilon <= LARGEST_EXPONENT
    if solver == "scaling" and not fits:
        raise ValueError(
            f"solver 'scaling' needs epsilon >= {reach / LARGEST_EXPONENT:.4f} "
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
    epsilon: Epsilon,
    iterations: int,
    solver: Literal["ott", "scaling"] = "ott",
    tau_a: float = 1.0,
    tau_b: float = 1.0,
    decay: Decay = NO_DECAY,
) -> Float[Array, "m n"]:
    """Return the plan; rows and columns without mass are exactly zero.

    Args:
        cost_matrix: ground cost; entries at padding may hold anything finite.
        a: mass of each row, zero at padding.
        b: mass of each column, zero at padding, same total as a.
        epsilon: strength of the entropy, in units of the cost; may be traced.
        iterations: Sinkhorn iterations, all of them run.
        solver: see the module; `choose` resolves a configuration's "auto".
        tau_a: 1: rows meet a; towards 0 they may take any mass.
        tau_b: the same for columns and b.
        decay: epsilon within the solve, for "ott".
    """
    cost_matrix = cost_matrix.astype(jnp.float32)
    if solver == "scaling":
        taus = (tau_a, tau_b)
        return _scaling(cost_matrix, a, b, taus, epsilon=epsilon, iterations=iterations)
    # Imported where it is needed: it takes longer than everything else that a command does
    # before it starts, drawing libraries among it.
    from ott.geometry import epsilon_scheduler, geometry
    from ott.solvers import linear

    if tau_a < 1 or tau_b < 1:
        # ott's entropy is relative to 1 an entry; this makes it relative to a b^T.
        cost_matrix = cost_matrix - epsilon * (_log(a)[:, None] + _log(b)[None])
    out = linear.solve(
        geometry.Geometry(
            cost_matrix=cost_matrix,
            epsilon=epsilon_scheduler.Epsilon(
                jnp.asarray(epsilon, jnp.float32), init=decay.init, decay=decay.decay
            ),
        ),
        a=a,
        b=b,
        tau_a=tau_a,
        tau_b=tau_b,
        min_iterations=iterations,
        max_iterations=iterations,
        inner_iterations=iterations,
    )
    # ott leaves zero-mass rows to potentials of -inf; where both are empty that is NaN.
    return jnp.where((a[:, None] > 0) & (b[None] > 0), out.matrix, 0.0)


def _log(mass: Float[Array, " m"]) -> Float[Array, " m"]:
    return jnp.log(jnp.where(mass > 0, mass, 1.0))


def _scaling(
    cost_matrix: Float[Array, "m n"],
    a: Float[Array, " m"],
    b: Float[Array, " n"],
    taus: tuple[float, float],
    *,
    epsilon: Epsilon,
    iterations: int,
) -> Float[Array, "m n"]:
    real = (a[:, None] > 0) & (b[None] > 0)
    lowest = jnp.min(jnp.where(real, cost_matrix, jnp.inf), axis=1, keepdims=True)
    lowest = jnp.where(jnp.isfinite(lowest), lowest, 0.0)
    kernel = jnp.where(real, jnp.exp((lowest - cost_matrix) / epsilon), 0.0)
    # Balanced rows absorb their minimum; others owe the part that tau leaves.
    a_owed = a * jnp.exp((taus[0] - 1.0) * lowest[:, 0] / epsilon)

    def scale(mass: Array, sums: Array, tau: float) -> Array:
        sums = jnp.where(sums > 0, sums, jnp.inf)
        return mass / (sums if tau == 1 else sums**tau)

    def body(_: Array | int, v: Array) -> Array:
        return scale(b, scale(a_owed, kernel @ v, taus[0]) @ kernel, taus[1])

    v = jax.lax.fori_loop(0, iterations, body, jnp.where(b > 0, 1.0, 0.0))
    return scale(a_owed, kernel @ v, taus[0])[:, None] * kernel * v[None]
