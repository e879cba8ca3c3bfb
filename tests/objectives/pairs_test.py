import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.objectives import pairs
from optical_jax.objectives.tokens import TokenBatch, Use
from tests.objectives import given


def test_moved_is_the_mean_squared_error_of_matches(rng):
    student, teacher = given.clouds(rng, width=12)
    links = rng.integers(0, 2, (5, 9, 7)).astype(np.float32)
    value, metrics = jax.jit(pairs.moved)(student, teacher, jnp.asarray(links))
    errors, shares = [], []
    for k, (x, y) in enumerate(
        zip(given.real(student), given.real(teacher), strict=True)
    ):
        real = links[k, : len(x), : len(y)]
        pair_errors = [
            ((x[i] - y[j]) ** 2).mean() for i, j in zip(*np.nonzero(real), strict=True)
        ]
        errors.append(np.mean(pair_errors))
        shares.append((real.any(1).mean(), real.any(0).mean()))
    assert float(value) == pytest.approx(12 / 2 * np.mean(errors), abs=1e-5)
    rows, columns = np.mean(shares, axis=0)
    assert float(metrics["linked_student"]) == pytest.approx(rows, abs=1e-6)
    assert float(metrics["linked_teacher"]) == pytest.approx(columns, abs=1e-6)


def test_a_batch_without_matches_has_no_loss_and_no_nan(rng):
    student, teacher = given.clouds(rng)
    loss = lambda s, t: pairs.moved(s, t, jnp.zeros((5, 9, 7)))[0]
    assert float(loss(student, teacher)) == 0
    given.check_gradient_is_zero(loss, student, teacher)


def test_pooled_and_cosines_equal_their_definitions(rng):
    student, teacher = given.cloud(rng, 9), given.cloud(rng, 9)
    x, y = pairs.pooled(student), pairs.pooled(teacher)
    means = [v.mean(0) for v in given.real(student)]
    np.testing.assert_allclose(x, means, atol=1e-6)
    found = pairs.cosines(x, y)
    for k in range(5):
        u, v = np.asarray(x[k], np.float64), np.asarray(y[k], np.float64)
        expected = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
        assert float(found[k]) == pytest.approx(expected, abs=1e-6)
    assert float(pairs.cosines(jnp.zeros((1, 3)), jnp.ones((1, 3)))[0]) == 0


def test_the_expansion_is_no_text(rng):
    tokens = given.cloud(rng, 9)
    expanded = tokens._replace(scored=jnp.ones_like(tokens.scored))
    np.testing.assert_array_equal(pairs.pooled(expanded), pairs.pooled(tokens))
    skipping = tokens._replace(scored=tokens.scored.at[:, 1].set(False))
    assert not np.asarray(pairs.text_slots(skipping))[:, 1].any()


def test_monitors_tell_collapse(rng):
    student, teacher = given.clouds(rng)
    same = student._replace(vectors=jnp.zeros_like(student.vectors).at[..., 0].set(1.0))
    metrics = pairs.monitors(same, teacher)
    assert float(metrics["student_cosine"]) == pytest.approx(1, abs=1e-6)
    assert abs(float(metrics["teacher_cosine"])) < 0.5


def test_monitors_of_single_vectors_compare_texts(rng):
    vectors = given.cloud(rng, 3).vectors[:, :1]
    whole = jnp.ones((5, 1), bool)
    found = pairs.monitors(*[TokenBatch(vectors, whole, whole)] * 2)["student_cosine"]
    x = np.asarray(vectors[:, 0], np.float64)
    expected = ((x @ x.T).sum() - 5) / 20
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_uses_name_texts_and_extras():
    target = Use("student", "target", "document", ("idf",))
    source = Use("teacher", "source", "document", ("idf",))
    assert pairs.uses("document", "idf") == (target, source)
    kept = pairs.uses("query", source=True)[-1]
    assert kept == Use("student", "source", "query")
