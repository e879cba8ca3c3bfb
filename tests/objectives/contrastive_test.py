import jax
import numpy as np
import pytest

from optical_jax.objectives import contrastive
from optical_jax.objectives.contrastive import ContrastiveConfig
from tests.objectives import given


def _reference(query, document, negatives, temperature, *, in_batch):
    """Cross-entropy in float64; the positive of query i is document i * (1 + negatives)."""
    entropies, first = [], []
    for i, row in enumerate(given.maxsim(query, document)):
        label = i * (1 + negatives)
        logits = row / temperature
        others = logits if in_batch else logits[label : label + 1 + negatives]
        entropies.append(np.log(np.exp(others).sum()) - logits[label])
        first.append(others.max() == logits[label])
    return np.mean(entropies), np.mean(first)


@pytest.mark.parametrize("documents", ["student", "teacher"])
@pytest.mark.parametrize(("negatives", "in_batch"), [(0, True), (2, True), (2, False)])
def test_equals_a_double_loop(rng, negatives, in_batch, documents):
    batch = 10
    query = given.cloud(rng, 4, batch=batch)
    document = given.cloud(rng, 7, batch=batch * (1 + negatives))
    by_who = {"student": {"query": query}, "teacher": {}}
    by_who[documents]["document"] = document
    config = ContrastiveConfig(temperature=0.5, documents=documents, in_batch=in_batch)
    ids = np.arange(batch * (1 + negatives) * 7).reshape(batch, -1, 7)
    arrays = {(f"{documents}/document", "ids"): ids.astype(np.int32)}
    value, metrics = jax.jit(
        lambda by_who, arrays: contrastive.loss(
            given.encode(**by_who, arrays=arrays), config
        )
    )(by_who, arrays)
    expected, accuracy = _reference(query, document, negatives, 0.5, in_batch=in_batch)
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert float(metrics["accuracy"]) == pytest.approx(accuracy)


def test_copies_of_the_positive_are_no_negatives(rng):
    query, document = given.cloud(rng, 3, batch=4), given.cloud(rng, 5, batch=8)
    ids = np.arange(8 * 5, dtype=np.int32).reshape(8, 5)
    # The positive of query 2 is also query 0's, and the negative of query 3.
    ids[0] = ids[7] = ids[4]

    def value(ids):
        arrays = {("student/document", "ids"): ids.reshape(4, 2, 5)}
        batch = {"query": query, "document": document}
        return contrastive.loss(given.encode(batch, arrays=arrays), ContrastiveConfig())

    found = float(jax.jit(value)(ids)[0])
    entropies = []
    for i, row in enumerate(given.maxsim(query, document)):
        copies = {0: {4, 7}, 2: {0, 7}}.get(i, set())
        others = [score for j, score in enumerate(row) if j not in copies]
        entropies.append(np.log(np.exp(others).sum()) - row[2 * i])
    assert found == pytest.approx(np.mean(entropies), rel=1e-5)


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match=r"temperature must be > 0, got 0"):
        ContrastiveConfig(temperature=0.0)


def test_no_negatives_at_all_are_refused(rng):
    tokens = given.cloud(rng, 4, batch=3)
    encode = given.encode({"query": tokens, "document": tokens})
    with pytest.raises(ValueError, match=r"data\.negatives is 0; raise it"):
        contrastive.loss(encode, ContrastiveConfig(in_batch=False))
