import functools

import jax
import jax.numpy as jnp
import numpy as np
import ot as pot
import pytest

from optical_jax.objectives import position
from optical_jax.objectives.position import PositionConfig
from tests.objectives import given


@functools.partial(jax.jit, static_argnames="positions")
def _loss(student, teacher, positions):
    encode = given.encode(student={"target": student}, teacher={"source": teacher})
    return position.loss(encode, PositionConfig(positions=positions))


def test_absolute_equals_the_error_of_tokens_at_the_same_place(rng):
    student, teacher = given.clouds(rng, width=12)
    # A document's punctuation is left out: it takes no place.
    student = student._replace(scored=student.scored.at[:, 1].set(False))
    value, _ = _loss(student, teacher, "absolute")
    errors = []
    for x, y in zip(given.real(student), given.real(teacher), strict=True):
        k = min(len(x), len(y))
        errors.append(((x[:k] - y[:k]) ** 2).mean())
    assert float(value) == pytest.approx(12 / 2 * np.mean(errors), abs=1e-5)


def test_relative_is_transport_on_a_line(rng):
    student, teacher = given.clouds(rng)
    value, metrics = _loss(student, teacher, "relative")
    costs = []
    for x, y in zip(given.real(student), given.real(teacher), strict=True):
        places = [(np.arange(len(v)) + 0.5) / len(v) for v in (x, y)]
        costs.append((pot.emd_1d(*places) * (1 - x @ y.T)).sum())
    assert float(value) == pytest.approx(np.mean(costs), abs=1e-5)
    assert float(metrics["linked_student"]) == float(metrics["linked_teacher"]) == 1


def test_sentences_of_one_length_match_token_by_token_both_ways():
    chosen = jnp.asarray([True, False, True, True])
    same = np.asarray(position.same_position(chosen, chosen))
    np.testing.assert_array_equal(same, np.diag([1, 0, 1, 1]))
    np.testing.assert_allclose(position.overlap(chosen, chosen), same / 3, atol=1e-6)


def test_a_text_without_tokens_matches_nothing():
    every, none = jnp.ones(3, bool), jnp.zeros(2, bool)
    assert not position.overlap(every, none).any()
    assert not position.same_position(every, none).any()


@pytest.mark.parametrize("positions", ["absolute", "relative"])
def test_padding_changes_neither_loss_nor_gradient(rng, positions):
    given.check_padding(lambda s, t: _loss(s, t, positions)[0], *given.clouds(rng))
