"""What an objective is given, from token batches at hand, and random token batches."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from optical_jax.objectives.tokens import TokenBatch


def encode(student=None, teacher=None, arrays=None, progress=0.0):
    """Serve token batches by field name, and arrays by (key, name)."""
    return SimpleNamespace(
        student=lambda field: student[field],
        teacher=lambda field: teacher[field],
        array=lambda key, name: arrays[key, name],
        progress=jnp.float32(progress),
    )


def cloud(rng, length, *, batch=5, width=12):
    """Unit vectors of texts of 3 to `length` tokens; what is at padding is no zero."""
    x = rng.normal(size=(batch, length, width))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    mask = jnp.asarray(np.arange(length) < rng.integers(3, length + 1, batch)[:, None])
    return TokenBatch(jnp.asarray(x, jnp.float32), mask, mask)


def clouds(rng, m=9, n=7, **sizes):
    """A student's and a teacher's texts."""
    return cloud(rng, m, **sizes), cloud(rng, n, **sizes)


def padded(tokens, extra, value):
    """The same texts with more padding, of vectors that hold a value."""
    pad = lambda x, v: jnp.pad(
        x, ((0, 0), (0, extra)) + ((0, 0),) * (x.ndim - 2), constant_values=v
    )
    filled = {k: v for k, v in tokens._asdict().items() if v is not None}
    return TokenBatch(
        **{k: pad(v, 0 if v.dtype == bool else value) for k, v in filled.items()}
    )


def real(tokens):
    """The vectors of each text in float64, padding left out."""
    slots = np.asarray(tokens.mask & tokens.scored)
    vectors = np.asarray(tokens.vectors, np.float64)
    return [x[i] for x, i in zip(vectors, slots, strict=True)]


def check_padding(loss, student, teacher):
    """Assert that padding changes neither (student, teacher) -> loss nor its gradient."""

    def value_and_grad(student, teacher):
        of = lambda vectors: loss(student._replace(vectors=vectors), teacher)
        return jax.jit(jax.value_and_grad(of))(student.vectors)

    m = student.vectors.shape[1]
    value, grad = value_and_grad(student, teacher)
    wide, wide_grad = value_and_grad(padded(student, 6, 0.3), padded(teacher, 4, -0.2))
    assert np.isfinite(grad).all()
    assert np.asarray(grad).any()
    np.testing.assert_allclose(wide, value, atol=1e-6)
    np.testing.assert_allclose(wide_grad[:, :m], grad, atol=1e-6)
    assert not np.asarray(wide_grad)[:, m:].any()
    assert not np.asarray(grad)[~np.asarray(student.mask)].any()


def check_gradient_is_zero(loss, student, teacher):
    """Assert that (student, teacher) -> loss teaches nothing, without NaN."""
    of = lambda vectors: loss(student._replace(vectors=vectors), teacher)
    assert not np.asarray(jax.jit(jax.grad(of))(student.vectors)).any()


def maxsim(queries, documents):
    """MaxSim of every query with every document by a double loop in float64."""
    return np.array(
        [
            [_maxsim(queries, i, documents, j) for j in range(len(documents.vectors))]
            for i in range(len(queries.vectors))
        ]
    )


def _maxsim(queries, i, documents, j):
    x = np.asarray(queries.vectors[i], np.float64)[np.asarray(queries.scored[i])]
    y = np.asarray(documents.vectors[j], np.float64)[np.asarray(documents.scored[j])]
    return (x @ y.T).max(axis=1).sum()
