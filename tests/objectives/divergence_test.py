import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from optical_jax.objectives import divergence


@pytest.fixture
def scores(rng):
    return rng.normal(size=(2, 4, 5)).astype(np.float32) * 3


def test_kl_is_scipys(scores):
    found = divergence.kl(*map(jnp.asarray, scores))
    student, teacher = (scipy.special.softmax(s, axis=1) for s in scores)
    expected = scipy.stats.entropy(teacher, student, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_margin_mse_is_a_loop_over_pairs(scores):
    found = divergence.margin_mse(*map(jnp.asarray, scores))
    for value, s, t in zip(found, *scores.astype(np.float64), strict=True):
        errors = [
            ((s[i] - s[j]) - (t[i] - t[j])) ** 2
            for i, j in itertools.combinations(range(5), 2)
        ]
        assert float(value) == pytest.approx(np.mean(errors), rel=1e-5)


@pytest.mark.parametrize("measure", [divergence.kl, divergence.margin_mse])
def test_a_constant_costs_nothing(scores, measure):
    targets = jnp.asarray(scores[0])
    np.testing.assert_allclose(measure(targets + 2.5, targets), 0.0, atol=1e-5)
    assert float(measure(-targets, targets).min()) > 0.1


def test_agreement_counts_the_best(scores):
    targets = jnp.asarray(scores[0])
    assert float(divergence.agreement(2 * targets, targets)) == 1.0
    half = targets.at[:2].multiply(-1)
    expected = (half.argmax(1) == targets.argmax(1)).mean()
    assert float(divergence.agreement(half, targets)) == float(expected) < 1.0
