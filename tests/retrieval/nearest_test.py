import numpy as np
import pytest

from optical_jax.retrieval import nearest


@pytest.mark.parametrize("block", [2**26, 40])
def test_is_a_full_sort_in_blocks_of_any_size(rng, block, monkeypatch):
    monkeypatch.setattr(nearest, "_LARGEST_BLOCK", block)
    queries, documents = (rng.normal(size=(n, 5)).astype(np.float32) for n in (7, 12))
    expected = np.argsort(-(queries @ documents.T), axis=1)
    found = nearest.search(queries, documents, k=4)
    np.testing.assert_array_equal(found, expected[:, :4])
    own = expected[:, 0].astype(np.int32)
    own[3] = -1
    without = nearest.search(queries, documents, k=4, excluded=own)
    np.testing.assert_array_equal(without[3], expected[3, :4])
    np.testing.assert_array_equal(without[:3], expected[:3, 1:5])


def test_what_is_excluded_is_not_filled_in(rng):
    x = rng.normal(size=(2, 3)).astype(np.float32)
    found = nearest.search(x, x, k=9, excluded=np.array([0, 1]))
    np.testing.assert_array_equal(found, [[1, -1], [0, -1]])


def test_means_are_unit_vectors(rng):
    texts = [rng.normal(size=(n, 3)).astype(np.float16) for n in (1, 4)]
    found = nearest.means(texts)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-6)
    expected = texts[1].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(found[1], expected / np.linalg.norm(expected), rtol=1e-4)
