import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.objectives import greedy
from optical_jax.objectives.greedy import GreedyConfig
from tests.objectives import given


@jax.jit
def _loss(student, teacher):
    encode = given.encode(student={"target": student}, teacher={"source": teacher})
    return greedy.loss(encode, GreedyConfig())


def _reference(x, y):
    """The pairs of DR.DECR's algorithm, in plain loops."""
    cost, found = 1 - x @ y.T, []
    for _ in range(min(len(x), len(y))):
        free = [
            (cost[i, j], i, j)
            for i in range(len(x))
            for j in range(len(y))
            if i not in [p[0] for p in found] and j not in [p[1] for p in found]
        ]
        found.append(min(free)[1:])
    return found


def test_equals_plain_loops(rng):
    student, teacher = given.clouds(rng, width=12)
    value, metrics = _loss(student, teacher)
    errors, used = [], []
    for x, y in zip(given.real(student), given.real(teacher), strict=True):
        matches = _reference(x, y)
        errors.append(np.mean([((x[i] - y[j]) ** 2).mean() for i, j in matches]))
        used.append(len(matches) / len(x))
    # The mean squared error, up to the constant that its width makes.
    assert float(value) == pytest.approx(12 / 2 * np.mean(errors), abs=1e-5)
    assert float(metrics["linked_student"]) == pytest.approx(np.mean(used), abs=1e-6)


def test_every_token_of_the_shorter_side_is_used_once(rng):
    cost = jnp.asarray(rng.uniform(size=(6, 8)), jnp.float32)
    rows, columns = jnp.arange(6) != 1, jnp.arange(8) < 7
    matches = np.asarray(greedy.greedy_matches(cost, rows, columns))
    np.testing.assert_array_equal(matches.sum(1), np.asarray(rows, float))
    assert matches.sum(0).max() == 1
    assert matches[:, 7].sum() == 0


def test_the_closest_pair_goes_first_even_where_the_sum_suffers():
    cost = jnp.asarray([[0.0, 0.1], [0.1, 9.0]])
    every = jnp.ones(2, bool)
    assert np.asarray(greedy.greedy_matches(cost, every, every)).tolist() == [
        [1, 0],
        [0, 1],
    ]


def test_permuting_tokens_permutes_the_matches(rng):
    cost = jnp.asarray(rng.uniform(size=(6, 5)), jnp.float32)
    rows, columns = jnp.ones(6, bool), jnp.ones(5, bool)
    order = rng.permutation(6)
    found = jax.jit(greedy.greedy_matches)
    np.testing.assert_array_equal(
        found(cost[order], rows, columns), found(cost, rows, columns)[order]
    )


def test_padding_changes_neither_loss_nor_gradient(rng):
    given.check_padding(lambda s, t: _loss(s, t)[0], *given.clouds(rng))
