import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.objectives import scores
from optical_jax.objectives.scores import ScoresConfig
from tests.objectives import given


@functools.partial(jax.jit, static_argnames="config")
def _loss(target, source, passages, config):
    encode = given.encode({"target": target}, {"source": source, "passage": passages})
    return scores.loss(encode, config)


@pytest.fixture
def batch(rng):
    return (
        given.cloud(rng, 6, batch=5),
        given.cloud(rng, 4, batch=5),
        given.cloud(rng, 7, batch=8),
    )


def _scaled(query, passages, temperature):
    lengths = np.asarray(query.scored).sum(axis=1, keepdims=True)
    return given.maxsim(query, passages) / lengths / temperature


@pytest.mark.parametrize("form", ["kl", "margin-mse"])
def test_equals_numpy(batch, form):
    target, source, passages = batch
    value, metrics = _loss(*batch, ScoresConfig(form=form, temperature=0.1))
    s, t = _scaled(target, passages, 0.1), _scaled(source, passages, 0.1)
    if form == "kl":
        p, q = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (t, s))
        expected = (p * np.log(p / q)).sum(axis=1).mean()
    else:
        margins = [x[:, :, None] - x[:, None, :] for x in (s, t)]
        upper = np.triu_indices(8, 1)
        expected = ((margins[0] - margins[1]) ** 2)[:, *upper].mean()
    assert float(value) == pytest.approx(0.1 * expected, rel=1e-4)
    agreed = (s.argmax(axis=1) == t.argmax(axis=1)).mean()
    assert float(metrics["agreement"]) == pytest.approx(agreed)


def test_a_student_that_is_the_teacher_loses_nothing(batch):
    _, source, passages = batch
    value, metrics = _loss(source, source, passages, ScoresConfig())
    assert float(value) == pytest.approx(0.0, abs=1e-6)
    assert float(metrics["agreement"]) == 1.0


def test_gradient_steps_bring_the_teachers_ranking(batch):
    target, source, passages = batch
    # Free vectors of a width that can realise any ranking.
    config = ScoresConfig(temperature=0.1)

    def value(vectors):
        unit = vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True)
        return _loss(target._replace(vectors=unit), source, passages, config)[0]

    step = jax.jit(jax.value_and_grad(value))
    vectors, first = target.vectors, None
    for _ in range(60):
        now, grad = step(vectors)
        first = first or float(now)
        vectors = vectors - 3 * grad
    assert float(now) < 0.2 * first
    padding = ~np.asarray(target.scored)
    assert not np.asarray(grad)[padding].any()


def test_padding_and_masked_passages_tokens_change_nothing(batch):
    target, source, passages = batch
    wide = given.padded(passages, 3, 0.9)
    config = ScoresConfig()
    assert float(_loss(target, source, wide, config)[0]) == pytest.approx(
        float(_loss(*batch, config)[0]), rel=1e-5
    )


def test_a_bad_temperature_is_named():
    with pytest.raises(ValueError, match=r"scores\.temperature must be > 0, got -1"):
        dataclasses.replace(ScoresConfig(), temperature=-1.0)
