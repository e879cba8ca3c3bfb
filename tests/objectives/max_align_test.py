import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.objectives import max_align
from optical_jax.objectives.max_align import MaxAlignConfig
from tests.objectives import given


@functools.partial(jax.jit, static_argnames="symmetric")
def _loss(student, teacher, *, symmetric=False):
    encode = given.encode(student={"target": student}, teacher={"source": teacher})
    return max_align.loss(encode, MaxAlignConfig(symmetric=symmetric))


@pytest.mark.parametrize("symmetric", [False, True])
def test_equals_bertscore(rng, symmetric):
    student, teacher = given.clouds(rng)
    value, metrics = _loss(student, teacher, symmetric=symmetric)
    losses, seen = [], []
    for x, y in zip(given.real(student), given.real(teacher), strict=True):
        similarity = x @ y.T
        precision = 1 - similarity.max(axis=1).mean()
        recall = 1 - similarity.max(axis=0).mean()
        losses.append((precision + recall) / 2 if symmetric else precision)
        seen.append(len(set(similarity.argmax(axis=1))) / len(y))
    assert float(value) == pytest.approx(np.mean(losses), abs=1e-5)
    assert float(metrics["linked_student"]) == 1
    covered = 1.0 if symmetric else np.mean(seen)
    assert float(metrics["linked_teacher"]) == pytest.approx(covered, abs=1e-6)


def test_a_text_without_tokens_matches_nothing():
    every, none = jnp.ones(3, bool), jnp.zeros(3, bool)
    for rows, columns in ((every, none), (none, every)):
        assert not max_align.closest_matches(jnp.ones((3, 3)), rows, columns).any()


@pytest.mark.parametrize("symmetric", [False, True])
def test_padding_changes_neither_loss_nor_gradient(rng, symmetric):
    given.check_padding(
        lambda s, t: _loss(s, t, symmetric=symmetric)[0], *given.clouds(rng)
    )
