"""A two-layer encoder with dropout stands for the student; its losses mix the whole batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.training import gradcache

_KEY = jax.random.key(7)


def _params(rng, width):
    def normal(*shape):
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)

    return {"first": normal(6, width), "second": normal(width, 4)}


def _encode(params, name, rows, number):
    key = jax.random.fold_in(jax.random.fold_in(_KEY, len(name)), number)
    hidden = jnp.tanh(rows["x"] @ params["first"])
    kept = jax.random.bernoulli(key, 0.8, hidden.shape)
    out = jnp.where(kept, hidden, 0.0) @ params["second"]
    return out / jnp.linalg.norm(out, axis=-1, keepdims=True)


def _loss(vectors):
    """In-batch cross-entropy over MaxSim: every row of a field meets every other's."""
    query, document = vectors["query"], vectors["document"]
    scores = jnp.einsum("qmp,dnp->qdmn", query, document).max(-1).sum(-1)
    labels = jnp.arange(len(query)) * (len(document) // len(query))
    logs = jax.nn.log_softmax(scores)
    return -logs[jnp.arange(len(query)), labels].mean(), {"best": scores.argmax(1)}


def _by_chunks(params, name, rows, chunk):
    """The same chunks and dropout by plain indexing, for an ordinary gradient."""
    parts = max(1, len(rows["x"]) // chunk)
    out = [_encode(params, name, {"x": rows["x"][i::parts]}, i) for i in range(parts)]
    stacked = jnp.stack(out, axis=1)
    return stacked.reshape(-1, *stacked.shape[2:])


def _fields(rng, queries, documents, tokens=3):
    def rows(n):
        return {"x": rng.normal(size=(n, tokens, 6)).astype(np.float32)}

    return {"query": rows(queries), "document": rows(documents)}


def test_gradients_are_those_of_the_whole_batch(rng):
    # The queries are one chunk, the documents three.
    params, fields, chunk = _params(rng, 16), _fields(rng, 8, 24), 8

    @jax.jit
    def both(params, fields):
        def plain(params):
            rows = fields.items()
            return _loss({name: _by_chunks(params, name, r, chunk) for name, r in rows})

        cached = gradcache.value_and_grad(_loss, _encode, params, fields, chunk=chunk)
        return jax.value_and_grad(plain, has_aux=True)(params), cached

    ((expected, aux), grads), ((value, found), cached) = both(params, fields)
    assert float(value) == pytest.approx(float(expected), abs=1e-6)
    np.testing.assert_array_equal(found["best"], aux["best"])
    for name in params:
        np.testing.assert_allclose(cached[name], grads[name], atol=1e-5)
        assert np.abs(grads[name]).max() > 1e-3


def test_memory_does_not_grow_with_the_activations(rng):
    params, fields = _params(rng, 512), _fields(rng, 128, 128)

    def plain(params, fields):
        def loss(params):
            return _loss({n: _encode(params, n, r, 0) for n, r in fields.items()})

        return jax.value_and_grad(loss, has_aux=True)(params)

    def cached(params, fields):
        return gradcache.value_and_grad(_loss, _encode, params, fields, chunk=8)

    sizes = [
        jax.jit(f).lower(params, fields).compile().memory_analysis().temp_size_in_bytes
        for f in (plain, cached)
    ]
    assert sizes[1] < 0.5 * sizes[0]


def test_a_chunk_that_does_not_divide_is_named(rng):
    with pytest.raises(ValueError, match=r"divide the 6 texts of query, got 4"):
        jax.eval_shape(
            lambda *args: gradcache.value_and_grad(_loss, _encode, *args, chunk=4),
            _params(rng, 8),
            _fields(rng, 6, 12),
        )
