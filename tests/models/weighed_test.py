"""Norms and attention, which come with a retriever's vectors where they are asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from optical_jax.data import tokenize
from optical_jax.models import retriever
from tests.models import tiny

_TEXTS = ["habari dunia", "who wrote the book?", "the"]


def _encoded(model):
    batch = tokenize.pad(model.text.queries(_TEXTS), 16, pad_id=model.text.pad_id)
    batch = {name: jnp.asarray(x) for name, x in batch.items()}
    module = nnx.merge(retriever.graphdef(model.encoder, model.head), model.params)

    @jax.jit
    def encode(ids, mask):
        x = module.encoder.embeddings(ids)
        for layer in list(module.encoder.layers)[:-1]:
            x = layer(x, mask)
        layer = module.encoder.layers[-1]
        heads = layer.query(x), layer.key(x)
        return module.weighed(ids, mask), module(ids, mask), layer(x, mask), heads

    return np.asarray(batch["mask"]), *encode(batch["ids"], batch["mask"])


@pytest.fixture(scope="module")
def tokenwise():
    return _encoded(tiny.make(tiny.TOKENWISE))


def test_vectors_are_those_of_a_call_and_norms_their_lengths(tokenwise):
    _, found, vectors, hidden, _ = tokenwise
    np.testing.assert_allclose(found.vectors, vectors, atol=1e-6)
    np.testing.assert_allclose(found.norm, np.linalg.norm(hidden, axis=-1), rtol=1e-5)


def test_attention_is_what_the_last_layer_gives_each_token(tokenwise):
    masks, found, *_, (query, key) = tokenwise
    query, key = np.asarray(query), np.asarray(key)
    for k, mask in enumerate(masks):
        received = np.zeros(len(mask))
        for head in np.split(np.arange(query.shape[-1]), 4):
            for i in np.flatnonzero(mask):
                logits = key[k][mask][:, head] @ query[k, i, head] / len(head) ** 0.5
                weights = np.exp(logits - logits.max())
                received[mask] += weights / weights.sum()
        received /= 4 * mask.sum()
        np.testing.assert_allclose(found.attention[k], received, atol=1e-5)
    np.testing.assert_allclose(found.attention.sum(axis=1), 1, rtol=1e-5)


def test_a_vector_of_a_whole_text_has_all_the_attention():
    _, found, *_ = _encoded(tiny.make(tiny.POOLED))
    assert found.vectors.shape[1] == 1
    np.testing.assert_array_equal(found.attention, np.ones((3, 1)))
    assert (np.asarray(found.norm) > 0).all()
