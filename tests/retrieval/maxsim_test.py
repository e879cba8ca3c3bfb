import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.retrieval import maxsim


def double_loop(query, doc, query_mask, doc_mask):
    """The definition, one similarity at a time."""
    total = 0.0
    for i in np.flatnonzero(query_mask):
        best = -np.inf
        for j in np.flatnonzero(doc_mask):
            best = max(best, float(np.dot(query[i], doc[j])))
        total += best
    return total


def example(rng, m, n, d=8):
    query = rng.standard_normal((m, d)).astype(np.float32)
    doc = rng.standard_normal((n, d)).astype(np.float32)
    query_mask, doc_mask = rng.random(m) < 0.7, rng.random(n) < 0.7
    doc_mask[0] = True
    return query, doc, query_mask, doc_mask


@pytest.mark.parametrize(("m", "n"), [(1, 1), (5, 9), (12, 3)])
def test_equals_the_double_loop(rng, m, n):
    arrays = example(rng, m, n)
    score = maxsim.maxsim(*map(jnp.asarray, arrays))
    assert score.dtype == jnp.float32
    np.testing.assert_allclose(score, double_loop(*arrays), rtol=1e-5)


def test_a_padding_token_does_not_beat_negative_similarities():
    query, doc = jnp.ones((1, 2)), jnp.array([[-1.0, -1.0], [0.0, 0.0]])
    score = maxsim.maxsim(query, doc, jnp.array([True]), jnp.array([True, False]))
    assert float(score) == -2.0


def test_padding_changes_nothing(rng):
    query, doc, query_mask, doc_mask = example(rng, 4, 6)
    score = maxsim.maxsim(*map(jnp.asarray, (query, doc, query_mask, doc_mask)))
    padded = maxsim.maxsim(
        jnp.pad(query, ((0, 3), (0, 0)), constant_values=9.0),
        jnp.pad(doc, ((0, 5), (0, 0)), constant_values=9.0),
        jnp.pad(query_mask, (0, 3)),
        jnp.pad(doc_mask, (0, 5)),
    )
    np.testing.assert_allclose(padded, score, rtol=1e-6)


def test_a_document_without_tokens_scores_minus_infinity():
    ones = jnp.ones((2, 3))
    mask = jnp.array([True, True])
    assert float(maxsim.maxsim(ones, ones, mask, ~mask)) == -np.inf
    assert float(maxsim.maxsim(ones, ones, ~mask, ~mask)) == 0.0


def test_vmap_scores_every_pair(rng):
    queries = [example(rng, 4, 6) for _ in range(3)]
    q, _, qm, _ = (np.stack(x) for x in zip(*queries, strict=True))
    _, d, _, dm = (
        np.stack(x) for x in zip(*[example(rng, 4, 6) for _ in range(2)], strict=True)
    )
    every_pair = jax.vmap(
        jax.vmap(maxsim.maxsim, (None, 0, None, 0)), (0, None, 0, None)
    )
    expected = [
        [double_loop(q[i], d[j], qm[i], dm[j]) for j in range(2)] for i in range(3)
    ]
    np.testing.assert_allclose(every_pair(q, d, qm, dm), expected, rtol=1e-5)


def test_half_precision_vectors_are_scored_in_float32(rng):
    arrays = example(rng, 3, 4)
    half = [jnp.asarray(x).astype(jnp.bfloat16) for x in arrays[:2]]
    score = maxsim.maxsim(*half, *map(jnp.asarray, arrays[2:]))
    assert score.dtype == jnp.float32
