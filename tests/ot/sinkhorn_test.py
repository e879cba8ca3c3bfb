import jax
import jax.numpy as jnp
import numpy as np
import ot as pot
import pytest
from scipy.optimize import linear_sum_assignment

from optical_jax.ot import cost, diagnostics, marginals, sinkhorn

_SOLVERS = ("ott", "scaling")
_solve = jax.jit(
    sinkhorn.transport_plan, static_argnames=("epsilon", "iterations", "solver")
)


def _ragged(rng, batch=6, m=14, n=11, width=16):
    """Unit vectors of ragged pairs, padded on both sides."""
    x, y = rng.normal(size=(batch, m, width)), rng.normal(size=(batch, n, width))
    x[:, : min(m, n)] += 0.5 * y[:, : min(m, n)]
    x, y = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (x, y))
    real_x = np.arange(m) < rng.integers(2, m, batch)[:, None]
    real_y = np.arange(n) < rng.integers(2, n, batch)[:, None]
    return (
        jnp.asarray(x, jnp.float32),
        jnp.asarray(y, jnp.float32),
        jnp.asarray(real_x),
        jnp.asarray(real_y),
    )


def _plans(x, y, real_x, real_y, **settings):
    def one(x, y, i, j):
        c = cost.cosine(x, y)
        a, b = marginals.uniform(i), marginals.uniform(j)
        return c, a, b, sinkhorn.transport_plan(c, a, b, **settings)

    return [np.asarray(v) for v in jax.jit(jax.vmap(one))(x, y, real_x, real_y)]


@pytest.mark.parametrize("solver", _SOLVERS)
@pytest.mark.parametrize("epsilon", [0.05, 0.2])
def test_equals_pot_on_pairs_padded_on_both_sides(rng, solver, epsilon):
    x, y, i, j = _ragged(rng)
    c, a, b, plan = _plans(x, y, i, j, epsilon=epsilon, iterations=2000, solver=solver)
    for k in range(len(plan)):
        rows, columns = np.asarray(i[k]), np.asarray(j[k])
        real = np.ix_(rows, columns)
        # POT sees the pair without its padding, in float64.
        expected = pot.sinkhorn(
            a[k][rows].astype(np.float64) / a[k].sum(dtype=np.float64),
            b[k][columns].astype(np.float64) / b[k].sum(dtype=np.float64),
            c[k][real].astype(np.float64),
            epsilon,
            numItermax=20000,
            stopThr=1e-12,
        )
        np.testing.assert_allclose(plan[k][real], expected, atol=2e-6)
        outside = plan[k].copy()
        outside[real] = 0
        assert not outside.any()


@pytest.mark.parametrize("solver", _SOLVERS)
def test_padding_changes_nothing(rng, solver):
    x, y, i, j = _ragged(rng)
    settings = {"epsilon": 0.1, "iterations": 200, "solver": solver}
    *_, plan = _plans(x, y, i, j, **settings)
    wide = lambda v: jnp.pad(v, ((0, 0), (0, 5), (0, 0)), constant_values=7.0)
    *_, padded = _plans(
        wide(x), wide(y), *(jnp.pad(r, ((0, 0), (0, 5))) for r in (i, j)), **settings
    )
    np.testing.assert_allclose(padded[:, :14, :11], plan, atol=1e-6)
    assert not padded[:, 14:].any()
    assert not padded[:, :, 11:].any()


@pytest.mark.parametrize("solver", _SOLVERS)
def test_marginals_hold(rng, solver):
    x, y, i, j = _ragged(rng)
    _, a, b, plan = _plans(x, y, i, j, epsilon=0.1, iterations=500, solver=solver)
    np.testing.assert_allclose(plan.sum(2), a, atol=1e-5)
    np.testing.assert_allclose(plan.sum(1), b, atol=1e-5)


def test_permuting_tokens_permutes_the_plan(rng):
    x, y, i, j = _ragged(rng)
    settings = {"epsilon": 0.1, "iterations": 100, "solver": "scaling"}
    *_, plan = _plans(x, y, i, j, **settings)
    order = rng.permutation(x.shape[1])
    *_, permuted = _plans(x[:, order], y, i[:, order], j, **settings)
    np.testing.assert_allclose(permuted, plan[:, order], atol=1e-6)


def test_small_epsilon_finds_the_assignment(rng):
    n = 8
    c = rng.uniform(size=(n, n)).astype(np.float32)
    mass = jnp.full(n, 1 / n)
    plan = _solve(
        jnp.asarray(c), mass, mass, epsilon=0.002, iterations=5000, solver="ott"
    )
    rows, columns = linear_sum_assignment(c)
    assert (np.asarray(plan).argmax(1) == columns).all()
    best = c[rows, columns].mean()
    assert float(jnp.sum(plan * c)) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("solver", _SOLVERS)
def test_a_pair_without_any_token_is_zero_and_not_nan(solver):
    nothing, c = jnp.zeros(3), jnp.ones((3, 4))
    plan = _solve(c, nothing, jnp.zeros(4), epsilon=0.1, iterations=5, solver=solver)
    assert not np.asarray(plan).any()


def test_bfloat16_vectors_are_solved_in_float32(rng):
    x, y, i, j = _ragged(rng)
    low = lambda v: jnp.asarray(v, jnp.bfloat16)
    c, *_, plan = _plans(low(x), low(y), i, j, epsilon=0.1, iterations=50, solver="ott")
    assert c.dtype == plan.dtype == np.float32
    assert np.isfinite(plan).all()


def test_envelope_gradient_is_that_of_the_entropic_cost(rng):
    x, y, i, j = (v[0] for v in _ragged(rng))
    a, b, epsilon = marginals.uniform(i), marginals.uniform(j), 0.2

    def plan_of(c):
        return _solve(c, a, b, epsilon=epsilon, iterations=500, solver="scaling")

    @jax.jit
    def envelope(x):
        c = cost.cosine(x, y)
        return jnp.sum(jax.lax.stop_gradient(plan_of(c)) * c)

    @jax.jit
    def entropic(x):
        c = cost.cosine(x, y)
        p = plan_of(c)
        product = jnp.where(p > 0, a[:, None] * b[None], 1.0)
        divergence = jnp.where(
            p > 0, p * jnp.log(jnp.where(p > 0, p, 1.0) / product), 0
        )
        return jnp.sum(p * c) + epsilon * jnp.sum(divergence)

    # Through the unrolled iterations against without them, both in float32.
    directions = rng.normal(size=x.shape).astype(np.float32)
    step = 1e-2
    numeric = (entropic(x + step * directions) - entropic(x - step * directions)) / (
        2 * step
    )
    analytic = jnp.vdot(jax.jit(jax.grad(envelope))(x), directions)
    assert float(analytic) == pytest.approx(float(numeric), rel=2e-3, abs=2e-4)


def test_auto_takes_scaling_only_where_its_kernel_fits():
    choose = lambda e: sinkhorn.choose("auto", epsilon=e, largest_cost=2.0)
    assert choose(0.05) == "scaling"
    assert choose(0.01) == "ott"
    with pytest.raises(ValueError, match=r"epsilon >= 0\.0333 .* got 0\.01"):
        sinkhorn.choose("scaling", epsilon=0.01, largest_cost=2.0)


def test_costs_equal_their_definitions(rng):
    x, y, *_ = (v[0] for v in _ragged(rng))
    np.testing.assert_allclose(cost.cosine(x, y), 1 - x @ y.T, atol=1e-6)
    expected = ((x[:, None] - y[None]) ** 2).sum(-1)
    np.testing.assert_allclose(cost.squared_euclidean(x, y), expected, atol=1e-5)


def test_diagnostics(rng):
    plan = jnp.asarray([[0.25, 0.25], [0.5, 0.0]])
    a, b = jnp.asarray([0.5, 0.5]), jnp.asarray([0.7, 0.3])
    assert float(diagnostics.marginal_error(plan, a, b)) == pytest.approx(0.1)
    expected = -(0.5 * np.log(0.25) + 0.5 * np.log(0.5))
    assert float(diagnostics.entropy(plan)) == pytest.approx(expected, rel=1e-6)
    x, _, real, _ = (v[0] for v in _ragged(rng))
    kept = np.asarray(x)[np.asarray(real)]
    pairs = kept @ kept.T
    expected = (pairs.sum() - np.trace(pairs)) / (len(kept) * (len(kept) - 1))
    found = diagnostics.mean_pairwise_cosine(x, real)
    assert float(found) == pytest.approx(expected, abs=1e-5)
