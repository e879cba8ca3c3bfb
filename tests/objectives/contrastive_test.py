import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.objectives import contrastive
from optical_jax.objectives.contrastive import ContrastiveConfig
from optical_jax.objectives.tokens import TokenBatch
from tests.objectives import given


def _tokens(rng, batch, length):
    x = rng.normal(size=(batch, length, 6))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    mask = np.arange(length) < rng.integers(2, length + 1, batch)[:, None]
    return TokenBatch(jnp.asarray(x, jnp.float32), jnp.asarray(mask), jnp.asarray(mask))


def _reference(query, document, negatives, temperature):
    """Double loop in float64; the positive of query i is document i * (1 + negatives)."""
    entropies, first = [], []
    for i in range(len(query.vectors)):
        x = np.asarray(query.vectors[i], np.float64)[np.asarray(query.scored[i])]
        scores = []
        for j in range(len(document.vectors)):
            y = np.asarray(document.vectors[j], np.float64)
            scores.append((x @ y[np.asarray(document.scored[j])].T).max(1).sum())
        logits = np.array(scores) / temperature
        label = i * (1 + negatives)
        entropies.append(np.log(np.exp(logits).sum()) - logits[label])
        first.append(logits.argmax() == label)
    return np.mean(entropies), np.mean(first)


@pytest.mark.parametrize("negatives", [0, 2])
def test_equals_a_double_loop(rng, negatives):
    batch = 10
    query = _tokens(rng, batch, 4)
    document = _tokens(rng, batch * (1 + negatives), 7)
    encode = given.encode(student={"query": query, "document": document})
    config = ContrastiveConfig(temperature=0.5)
    value, metrics = contrastive.loss(encode, config)
    expected, accuracy = _reference(query, document, negatives, 0.5)
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert float(metrics["accuracy"]) == pytest.approx(accuracy)


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match=r"temperature must be > 0, got 0"):
        ContrastiveConfig(temperature=0.0)
