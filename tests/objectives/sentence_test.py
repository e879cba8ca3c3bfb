"""sentence-mse and sentence-cosine."""

import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.objectives import sentence_cosine, sentence_mse
from optical_jax.objectives.sentence_cosine import SentenceCosineConfig
from optical_jax.objectives.sentence_mse import SentenceMseConfig
from optical_jax.objectives.tokens import TokenBatch, Use
from tests.objectives import given

_BOTH = (
    (sentence_mse.loss, SentenceMseConfig),
    (sentence_cosine.loss, SentenceCosineConfig),
)


def _given(student, teacher, kept=None):
    return given.encode(
        student={"target": student, "source": kept}, teacher={"source": teacher}
    )


def _means(tokens):
    return np.stack([x.mean(0) for x in given.real(tokens)])


def test_mse_is_the_papers_on_both_sides(rng):
    student, teacher = given.clouds(rng, width=12)
    kept = given.cloud(rng, 7, width=12)
    encode = _given(student, teacher, kept)
    value, metrics = sentence_mse.loss(encode, SentenceMseConfig())
    truth = _means(teacher)
    # torch's MSELoss takes the mean over the width of 12 too.
    target, source = (((_means(x) - truth) ** 2).mean() for x in (student, kept))
    assert float(value) == pytest.approx(12 * (target + source), abs=1e-5)
    assert float(metrics["target_error"]) == pytest.approx(12 * target, abs=1e-5)
    only, _ = sentence_mse.loss(encode, SentenceMseConfig(source_weight=0.0))
    assert float(only) == pytest.approx(12 * target, abs=1e-5)


def test_cosine_is_that_of_mean_vectors(rng):
    student, teacher = given.clouds(rng)
    kept = given.cloud(rng, 7)
    encode = _given(student, teacher, kept)
    truth = _means(teacher)
    target, source = (
        np.mean(
            (_means(x) * truth).sum(1)
            / np.linalg.norm(_means(x), axis=1)
            / np.linalg.norm(truth, axis=1)
        )
        for x in (student, kept)
    )
    value, metrics = sentence_cosine.loss(encode, SentenceCosineConfig())
    assert float(value) == pytest.approx(1 - target, abs=1e-5)
    assert float(metrics["cosine"]) == pytest.approx(target, abs=1e-5)
    config = SentenceCosineConfig(source_weight=0.5)
    both, _ = sentence_cosine.loss(encode, config)
    assert float(both) == pytest.approx(1 - target + 0.5 * (1 - source), abs=1e-5)


def test_single_vectors_are_taken_as_they_are(rng):
    x, y = (given.cloud(rng, 3).vectors[:, :1] for _ in range(2))
    whole = jnp.ones((5, 1), bool)
    encode = _given(TokenBatch(x, whole, whole), TokenBatch(y, whole, whole))
    squares = ((np.asarray(x) - np.asarray(y)) ** 2).sum(-1).mean()
    mse, _ = sentence_mse.loss(encode, SentenceMseConfig(source_weight=0.0))
    cosine, _ = sentence_cosine.loss(encode, SentenceCosineConfig())
    assert float(mse) == pytest.approx(squares, abs=1e-5)
    assert float(cosine) == pytest.approx(squares / 2, abs=1e-5)


@pytest.mark.parametrize(("loss", "config"), _BOTH)
def test_padding_changes_neither_loss_nor_gradient(rng, loss, config):
    settings = config(source_weight=0.0)
    given.check_padding(
        lambda s, t: loss(_given(s, t), settings)[0], *given.clouds(rng)
    )


@pytest.mark.parametrize(("loss", "config"), _BOTH)
def test_the_source_is_encoded_only_where_it_has_weight(loss, config):
    assert Use("student", "source", "query") in config(source_weight=1.0).uses
    assert Use("student", "source", "query") not in config(source_weight=0.0).uses
    with pytest.raises(ValueError, match=r"source_weight must be >= 0, got -1"):
        config(source_weight=-1.0)
