import jax
import numpy as np
import pytest

from optical_jax.retrieval import encode
from tests.models import tiny


@pytest.fixture(scope="module")
def colbert():
    return tiny.make(tiny.COLBERT)


def test_documents_equal_one_at_a_time_in_order(colbert):
    found = encode.encode_documents(colbert, tiny.TEXTS, batch_size=4)
    rows = colbert.text.documents(tiny.TEXTS)
    for i, expected in enumerate(tiny.vectors(colbert, rows)):
        np.testing.assert_allclose(found[i], expected, atol=1e-5)
        start, stop = found.offsets[i : i + 2]
        expected_ids = rows[i].ids[rows[i].scored]
        np.testing.assert_array_equal(found.token_ids[start:stop], expected_ids)
    assert len(found) == len(tiny.TEXTS)
    assert found.vectors.dtype == np.float32


def test_queries_are_expanded(colbert):
    found = encode.encode_queries(colbert, tiny.TEXTS, batch_size=4)
    assert (found.lengths == tiny.COLBERT.query_length).all()
    expected = tiny.vectors(colbert, colbert.text.queries(tiny.TEXTS))
    np.testing.assert_allclose(found.vectors, np.concatenate(expected), atol=1e-5)


def test_a_single_vector_head_gives_one_vector_a_text():
    model = tiny.make(tiny.POOLED)
    found = encode.encode_documents(model, tiny.TEXTS, batch_size=11)
    expected = tiny.vectors(model, model.text.documents(tiny.TEXTS))
    np.testing.assert_allclose(found.vectors, np.concatenate(expected), atol=1e-5)
    assert (found.lengths == 1).all()
    assert (found.token_ids == -1).all()


def test_a_mesh_changes_nothing(colbert):
    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((2,), ("data",), axis_types=auto)
    texts = ["habari dunia", "the book", "who wrote"] * 3
    found = encode.encode_documents(colbert, texts, batch_size=4, mesh=mesh)
    expected = encode.encode_documents(colbert, texts, batch_size=4)
    np.testing.assert_array_equal(found.vectors, expected.vectors)


def test_progress_counts_texts(colbert):
    calls = []
    encode.encode_documents(
        colbert,
        tiny.TEXTS,
        batch_size=4,
        progress=lambda *done: calls.append(done),
    )
    assert calls == [(4, 11), (8, 11), (11, 11)]


def test_no_texts_give_no_vectors(colbert):
    found = encode.encode_queries(colbert, [])
    assert len(found) == 0
    assert found.vectors.shape == (0, 8)


def test_a_batch_needs_texts(colbert):
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        encode.encode_queries(colbert, ["a"], batch_size=0)


def test_token_vectors_must_agree():
    with pytest.raises(ValueError, match="must agree, got 2 vectors, 2 token ids, off"):
        encode.TokenVectors(np.zeros((2, 3)), np.array([0, 1]), np.zeros(2, np.int32))
