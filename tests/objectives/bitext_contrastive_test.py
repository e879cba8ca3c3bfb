import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.objectives import bitext_contrastive
from optical_jax.objectives.bitext_contrastive import BitextContrastiveConfig
from optical_jax.objectives.tokens import TokenBatch
from tests.objectives import given


def _loss(student, teacher, **settings):
    config = BitextContrastiveConfig(**settings)

    @jax.jit
    def loss(student, teacher):
        encode = given.encode(student={"target": student}, teacher={"source": teacher})
        return bitext_contrastive.loss(encode, config)

    return loss(student, teacher)


def _maxsim(x, y):
    return (x @ y.T).max(axis=1).mean()


def _cosine(x, y):
    x, y = x.mean(axis=0), y.mean(axis=0)
    return x @ y / np.linalg.norm(x) / np.linalg.norm(y)


def _entropy(scores, temperature):
    logits = scores / temperature
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits))


@pytest.mark.parametrize(
    ("scores", "symmetric"), [("maxsim", True), ("maxsim", False), ("cosine", True)]
)
def test_equals_double_loops(rng, scores, symmetric):
    student, teacher = given.clouds(rng)
    score = {"maxsim": _maxsim, "cosine": _cosine}[scores]
    there, back = (
        np.array([[score(x, y) for y in given.real(b)] for x in given.real(a)])
        for a, b in ((student, teacher), (teacher, student))
    )
    settings = {"scores": scores, "symmetric": symmetric, "temperature": 0.2}
    value, metrics = _loss(student, teacher, **settings)
    expected = _entropy(there, 0.2)
    if symmetric:
        expected = (expected + _entropy(back, 0.2)) / 2
    assert float(value) == pytest.approx(expected, rel=1e-5)
    right = np.mean(there.argmax(axis=1) == np.arange(5))
    assert float(metrics["accuracy"]) == pytest.approx(right)


def test_the_expansion_asks_but_is_not_found(rng):
    student, teacher = given.clouds(rng)
    expanded = teacher._replace(scored=jnp.ones_like(teacher.scored))
    settings = {"symmetric": False}
    plain = float(_loss(student, teacher, **settings)[0])
    assert float(_loss(student, expanded, **settings)[0]) == pytest.approx(plain)
    asking = student._replace(scored=jnp.ones_like(student.scored))
    assert float(_loss(asking, teacher, **settings)[0]) != pytest.approx(plain)


def test_both_scores_are_the_same_for_single_vectors(rng):
    whole = jnp.ones((5, 1), bool)
    x, y = (
        TokenBatch(given.cloud(rng, 3).vectors[:, :1], whole, whole) for _ in range(2)
    )
    assert float(_loss(x, y)[0]) == pytest.approx(
        float(_loss(x, y, scores="cosine")[0]), rel=1e-5
    )


@pytest.mark.parametrize("scores", ["maxsim", "cosine"])
def test_padding_changes_neither_loss_nor_gradient(rng, scores):
    loss = lambda s, t: _loss(s, t, scores=scores, temperature=1.0)[0]
    given.check_padding(loss, *given.clouds(rng))


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match=r"temperature must be > 0, got 0"):
        BitextContrastiveConfig(temperature=0.0)
