import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import ot as pot
import pytest

from optical_jax.objectives import transport
from optical_jax.objectives.tokens import TokenBatch
from optical_jax.objectives.transport import TransportConfig
from tests.objectives import given


def _clouds(rng, batch=5, m=9, n=7, width=12):
    def one(length):
        x = rng.normal(size=(batch, length, width))
        x /= np.linalg.norm(x, axis=-1, keepdims=True)
        mask = np.arange(length) < rng.integers(3, length + 1, batch)[:, None]
        return TokenBatch(
            jnp.asarray(x, jnp.float32), jnp.asarray(mask), jnp.asarray(mask)
        )

    return one(m), one(n)


def _loss(student, teacher, config):
    encode = given.encode(student={"target": student}, teacher={"source": teacher})
    return transport.loss(encode, config)


def _padded(tokens, extra, value):
    widen = ((0, 0), (0, extra))
    return TokenBatch(
        jnp.pad(tokens.vectors, (*widen, (0, 0)), constant_values=value),
        jnp.pad(tokens.mask, widen),
        jnp.pad(tokens.scored, widen),
    )


def test_loss_is_pots_transport_cost(rng):
    student, teacher = _clouds(rng)
    config = TransportConfig(epsilon=0.1, iterations=1000)
    value, metrics = _loss(student, teacher, config)
    costs = []
    for k in range(5):
        x = np.asarray(student.vectors[k], np.float64)[np.asarray(student.mask[k])]
        y = np.asarray(teacher.vectors[k], np.float64)[np.asarray(teacher.mask[k])]
        c = 1 - x @ y.T
        plan = pot.bregman.sinkhorn_log(
            np.full(len(x), 1 / len(x)),
            np.full(len(y), 1 / len(y)),
            c,
            0.1,
            numItermax=5000,
            stopThr=1e-12,
            warn=False,
        )
        costs.append((plan * c).sum())
    assert float(value) == pytest.approx(np.mean(costs), abs=1e-5)
    assert float(metrics["transport_cost"]) == float(value)
    assert float(metrics["marginal_error"]) < 1e-4


@pytest.mark.parametrize("solver", ["ott", "scaling"])
def test_padding_changes_neither_loss_nor_gradient(rng, solver):
    student, teacher = _clouds(rng)
    config = TransportConfig(epsilon=0.1, iterations=100, solver=solver)

    def value_and_grad(student, teacher):
        def f(vectors):
            return _loss(student._replace(vectors=vectors), teacher, config)[0]

        return jax.jit(jax.value_and_grad(f))(student.vectors)

    value, grad = value_and_grad(student, teacher)
    wide_value, wide_grad = value_and_grad(
        _padded(student, 6, 0.3), _padded(teacher, 4, -0.2)
    )
    assert float(wide_value) == pytest.approx(float(value), abs=1e-6)
    np.testing.assert_allclose(wide_grad[:, :9], grad, atol=1e-6)
    assert not np.asarray(wide_grad[:, 9:]).any()
    assert np.isfinite(grad).all()


def test_slots_marginals_give_mass_to_the_expansion(rng):
    student, teacher = _clouds(rng)
    expanded = student._replace(scored=jnp.ones_like(student.scored))
    config = TransportConfig(epsilon=0.1)
    tokens = _loss(expanded, teacher, config)[0]
    slots = _loss(expanded, teacher, dataclasses.replace(config, marginals="slots"))[0]
    every = student._replace(mask=jnp.ones_like(student.mask), scored=expanded.scored)
    assert float(tokens) == pytest.approx(float(_loss(student, teacher, config)[0]))
    assert float(slots) == pytest.approx(float(_loss(every, teacher, config)[0]))
    assert float(slots) != pytest.approx(float(tokens))


def test_equal_clouds_cost_less_than_different_ones(rng):
    student, _ = _clouds(rng)
    config = TransportConfig(epsilon=0.01, iterations=300)
    same = _loss(student, student, config)[0]
    other = _loss(student, _clouds(rng)[0], config)[0]
    assert float(same) < 1e-3 < float(other)


@pytest.mark.parametrize("epsilon", [0.0, -0.1, float("nan")])
def test_epsilon_must_be_positive(epsilon):
    with pytest.raises(ValueError, match=r"objective\.transport\.epsilon must be > 0"):
        TransportConfig(epsilon=epsilon)


def test_iterations_must_be_positive():
    with pytest.raises(ValueError, match=r"iterations must be at least 1, got 0"):
        TransportConfig(iterations=0)
