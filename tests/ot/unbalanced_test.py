"""Sinkhorn with relaxed marginals, with epsilon as an array, with epsilon that decays."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import ot as pot
import pytest
from scipy.optimize import linear_sum_assignment

from optical_jax.ot import diagnostics, marginals, sinkhorn
from optical_jax.ot.sinkhorn import Decay

_solve = jax.jit(
    sinkhorn.transport_plan,
    static_argnames=("epsilon", "iterations", "solver", "tau_a", "tau_b", "decay"),
)


def _padded_problem(rng, m=7, n=6):
    """One problem with padding in the middle and uneven masses."""
    c = jnp.asarray(rng.uniform(0, 2, size=(m, n)), jnp.float32)
    i, j = np.arange(m) != 2, np.arange(n) < 5
    weigh = lambda x, size: marginals.weighted(
        jnp.asarray(x), jnp.asarray(rng.uniform(0.5, 2, size), jnp.float32)
    )
    return c, i, j, weigh(i, m), weigh(j, n)


@pytest.mark.parametrize(
    ("solver", "taus"),
    [
        ("ott", (0.8, 0.9)),
        ("scaling", (0.8, 0.9)),
        ("scaling", (0.7, 1.0)),
        ("scaling", (1.0, 0.6)),
    ],
)
def test_equals_pots_unbalanced_plan(rng, solver, taus):
    c, i, j, a, b = _padded_problem(rng)
    epsilon = 0.1
    plan = _solve(
        c,
        a,
        b,
        epsilon=epsilon,
        iterations=500,
        solver=solver,
        tau_a=taus[0],
        tau_b=taus[1],
    )
    rho = [epsilon * t / (1 - t) if t < 1 else float("inf") for t in taus]
    expected = pot.unbalanced.sinkhorn_unbalanced(
        np.asarray(a, np.float64)[i],
        np.asarray(b, np.float64)[j],
        np.asarray(c, np.float64)[np.ix_(i, j)],
        epsilon,
        rho,
        reg_type="kl",
        numItermax=20000,
        stopThr=1e-13,
    )
    np.testing.assert_allclose(np.asarray(plan)[np.ix_(i, j)], expected, atol=3e-6)
    assert not np.asarray(plan)[~i].any()
    assert not np.asarray(plan)[:, ~j].any()


def test_unbalanced_tends_to_balanced(rng):
    c, _, _, a, b = _padded_problem(rng)
    solve = functools.partial(
        _solve, c, a, b, epsilon=0.2, iterations=400, solver="scaling"
    )
    balanced = solve()
    gaps = [
        float(jnp.abs(solve(tau_a=t, tau_b=t) - balanced).sum())
        for t in (0.5, 0.9, 0.99, 0.999)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 5e-3 < gaps[0]


def test_mass_chooses_the_cheap_token_when_it_may():
    c = jnp.asarray([[0.1, 0.2], [1.9, 1.8]])
    mass = jnp.asarray([0.5, 0.5])
    settings = {"epsilon": 0.1, "iterations": 200, "solver": "scaling"}
    free = _solve(c, mass, mass, tau_a=0.3, **settings).sum(axis=1)
    held = _solve(c, mass, mass, **settings).sum(axis=1)
    np.testing.assert_allclose(held, mass, atol=1e-5)
    # The columns are met, so all mass arrives; nearly all comes from the near token.
    assert float(free.sum()) == pytest.approx(1, abs=1e-5)
    assert float(free[0]) > 0.99


@pytest.mark.parametrize(("solver", "tau"), [("ott", 0.9), ("scaling", 1.0)])
def test_traced_epsilon_equals_static_epsilon(rng, solver, tau):
    c, _, _, a, b = _padded_problem(rng)
    settings = {"iterations": 50, "solver": solver, "tau_a": tau}
    traced = jax.jit(lambda e: sinkhorn.transport_plan(c, a, b, epsilon=e, **settings))
    fixed = _solve(c, a, b, epsilon=0.07, **settings)
    np.testing.assert_allclose(traced(jnp.float32(0.07)), fixed, atol=1e-6)


def test_decay_reaches_a_sharp_plan_in_fewer_iterations(rng):
    c = jnp.asarray(rng.uniform(0, 2, (12, 12)), jnp.float32)
    mass = jnp.full(12, 1 / 12)
    _, columns = linear_sum_assignment(c)
    best = float(c[np.arange(12), columns].mean())

    def gaps(**settings):
        plan = _solve(
            c, mass, mass, epsilon=0.01, iterations=50, solver="ott", **settings
        )
        error = float(diagnostics.marginal_error(plan, mass, mass))
        return error, abs(float(jnp.sum(plan * c)) - best)

    error, gap = gaps(decay=Decay(init=20.0, decay=0.9))
    assert error < 0.5 * gaps()[0]
    assert gap < 0.01


def test_scaling_is_chosen_only_where_it_can_solve():
    choose = functools.partial(sinkhorn.choose, largest_cost=2.0)
    assert choose("auto", epsilon=0.05, tau_a=0.9) == "scaling"
    assert choose("auto", epsilon=0.05, tau_a=0.2) == "ott"
    assert choose("auto", epsilon=0.05, decay=Decay(init=4.0, decay=0.9)) == "ott"
    with pytest.raises(ValueError, match=r"one epsilon a solve, got decay\.init 4"):
        choose("scaling", epsilon=0.05, decay=Decay(init=4.0, decay=0.9))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"init": 0.5}, r"init must be >= 1"),
        ({"init": 2.0, "decay": 0.0}, r"decay must be in \(0, 1\], got 0"),
        ({"init": 2.0}, r"decay must be < 1 for decay\.init 2\.0"),
    ],
)
def test_decay_must_fall_to_epsilon(fields, message):
    with pytest.raises(ValueError, match=message):
        Decay(**fields)


def test_weighted_masses(rng):
    chosen = jnp.asarray([True, True, False, True])
    mass = marginals.weighted(chosen, jnp.asarray([1.0, 3.0, np.nan, 0.0]))
    np.testing.assert_allclose(mass, [0.25, 0.75, 0, 0])
    np.testing.assert_allclose(
        marginals.weighted(chosen, jnp.zeros(4)), [1 / 3, 1 / 3, 0, 1 / 3], rtol=1e-6
    )
    assert not marginals.weighted(jnp.zeros(4, bool), jnp.ones(4)).any()
