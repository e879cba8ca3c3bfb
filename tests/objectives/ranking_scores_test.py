import functools

import jax
import numpy as np
import pytest
import scipy.special
import scipy.stats

from optical_jax.objectives import ranking_scores
from optical_jax.objectives.ranking_scores import RankingScoresConfig
from tests.objectives import given


@pytest.fixture
def batch(rng):
    given_scores = rng.normal(size=(4, 3)).astype(np.float32) * 5
    return given.cloud(rng, 5, batch=4), given.cloud(rng, 6, batch=12), given_scores


@functools.partial(jax.jit, static_argnames="config")
def _loss(query, documents, scores, config):
    arrays = {(f"{config.documents}/document", "scores"): scores}
    by_who = {"student": {"query": query}, "teacher": {}}
    by_who[config.documents]["document"] = documents
    encode = given.encode(by_who["student"], by_who["teacher"], arrays)
    return ranking_scores.loss(encode, config)


@pytest.mark.parametrize("documents", ["student", "teacher"])
def test_kl_equals_scipy_over_each_querys_own_passages(batch, documents):
    query, texts, scores = batch
    config = RankingScoresConfig(documents=documents, temperature=2.0, score_scale=0.5)
    value, metrics = _loss(*batch, config)
    own = given.maxsim(query, texts).reshape(4, 4, 3)[np.arange(4), np.arange(4)]
    expected = scipy.stats.entropy(
        scipy.special.softmax(scores * 0.5, axis=1),
        scipy.special.softmax(own / 2.0, axis=1),
        axis=1,
    )
    assert float(value) == pytest.approx(expected.mean(), rel=1e-4)
    agreed = (own.argmax(axis=1) == scores.argmax(axis=1)).mean()
    assert float(metrics["agreement"]) == pytest.approx(agreed)
    # Examples of several languages bring their scores in one row.
    folded = _loss(query, texts, scores.reshape(2, 6), config)[0]
    assert float(folded) == float(value)


def test_margin_mse_of_two_passages_is_hofstaetters(batch):
    query, texts, scores = batch
    texts = jax.tree.map(lambda x: x[:8], texts)
    config = RankingScoresConfig(form="margin-mse")
    value, _ = _loss(query, texts, scores[:, :2], config)
    own = given.maxsim(query, texts).reshape(4, 4, 2)[np.arange(4), np.arange(4)]
    margins = (own[:, 0] - own[:, 1]) - (scores[:, 0] - scores[:, 1])
    assert float(value) == pytest.approx((margins**2).mean(), rel=1e-4)


@pytest.mark.parametrize("name", ["temperature", "score_scale"])
def test_bad_values_are_named(name):
    with pytest.raises(ValueError, match=rf"ranking_scores\.{name} must be > 0, got 0"):
        RankingScoresConfig(**{name: 0.0})


def test_who_encodes_the_documents_is_said():
    who = {u.field: u.who for u in RankingScoresConfig(documents="teacher").uses}
    assert who == {"query": "student", "document": "teacher"}
