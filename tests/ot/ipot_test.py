import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

from optical_jax.ot import ipot, marginals

_solve = jax.jit(ipot.transport_plan, static_argnames="iterations")


def _optimum(c, a, b):
    """Cost of the unregularised problem, by linear programming."""
    m, n = c.shape
    rows = np.kron(np.eye(m), np.ones(n))
    columns = np.kron(np.ones(m), np.eye(n))
    found = linprog(c.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.r_[a, b])
    return found.fun


def test_cost_tends_to_the_linear_programs(rng):
    problems = [rng.uniform(0, 2, (6, 9)).astype(np.float32) for _ in range(4)]
    a = marginals.weighted(jnp.ones(6, bool), jnp.asarray(rng.uniform(0.5, 2, 6)))
    b = marginals.weighted(jnp.ones(9, bool), jnp.asarray(rng.uniform(0.5, 2, 9)))

    @jax.jit
    @jax.vmap
    def gaps(c):
        solve = lambda k: ipot.transport_plan(c, a, b, beta=0.1, iterations=k)
        return jnp.stack([jnp.sum(solve(k) * c) for k in (10, 1000)]), solve(1000)

    costs, plans = gaps(jnp.stack(problems))
    for c, by_steps, plan in zip(problems, costs, plans, strict=True):
        best = _optimum(c.astype(np.float64), np.asarray(a), np.asarray(b))
        gap = np.abs(np.asarray(by_steps, np.float64) - best)
        assert gap[1] < 2e-3
        assert gap[1] <= gap[0] + 1e-6
        np.testing.assert_allclose(plan.sum(1), a, atol=1e-3)
        np.testing.assert_allclose(plan.sum(0), b, atol=1e-5)


def test_finds_the_assignment(rng):
    c = jnp.asarray(rng.uniform(size=(8, 8)), jnp.float32)
    mass = jnp.full(8, 1 / 8)
    plan = _solve(c, mass, mass, beta=0.1, iterations=1000)
    _, columns = linear_sum_assignment(c)
    assert (np.asarray(plan).argmax(1) == columns).all()
    # Not blurred by any entropy.
    assert float(plan.max(axis=1).min()) > 0.99 / 8


def test_padding_changes_nothing_and_traced_beta_is_beta(rng):
    c = jnp.asarray(rng.uniform(0, 2, (5, 4)), jnp.float32)
    a, b = jnp.full(5, 0.2), jnp.full(4, 0.25)
    wide = jnp.pad(c, ((0, 3), (0, 2)), constant_values=-7.0)
    solve = lambda c, a, b, beta: _solve(c, a, b, beta=beta, iterations=60)
    plan = ipot.transport_plan(c, a, b, beta=0.3, iterations=60)
    padded = solve(wide, jnp.pad(a, (0, 3)), jnp.pad(b, (0, 2)), jnp.float32(0.3))
    np.testing.assert_allclose(padded[:5, :4], plan, atol=1e-6)
    assert not np.asarray(padded)[5:].any()
    assert not np.asarray(padded)[:, 4:].any()
    assert not solve(wide, jnp.zeros(8), jnp.zeros(6), jnp.float32(0.3)).any()


def test_beta_must_fit_float32():
    with pytest.raises(ValueError, match=r"epsilon >= 0\.0333 .* got 0\.001"):
        ipot.check(beta=0.001, largest_cost=2.0)
