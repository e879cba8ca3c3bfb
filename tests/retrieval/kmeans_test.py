import numpy as np
import pytest

from optical_jax.retrieval import kmeans


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_clusters_that_lie_apart_are_found(rng: np.random.Generator) -> None:
    centers = np.eye(8, dtype=np.float32)
    members = np.repeat(np.arange(8), 40)
    points = unit(centers[members] + 0.05 * rng.standard_normal((320, 8)))
    found = kmeans.cluster(points, 8, rounds=8, seed=3)
    codes, similarity = kmeans.assign(points, found)
    assert len({(m, c) for m, c in zip(members, codes, strict=True)}) == 8
    assert similarity.min() > 0.9
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_rounds_only_improve(rng: np.random.Generator) -> None:
    points = unit(rng.standard_normal((500, 6)))
    means = [
        kmeans.assign(points, kmeans.cluster(points, 16, rounds=n, seed=0))[1].mean()
        for n in range(4)
    ]
    assert means == sorted(means)
    assert means[-1] > means[0] + 0.01


def test_assignment_is_numpys_in_blocks(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = unit(rng.standard_normal((100, 6)))
    centroids = unit(rng.standard_normal((7, 6)))
    monkeypatch.setattr(kmeans, "_LARGEST_BLOCK", 7 * 33)
    codes, similarity = kmeans.assign(points.astype(np.float16), centroids)
    products = points.astype(np.float16).astype(np.float32) @ centroids.T
    np.testing.assert_array_equal(codes, products.argmax(axis=1))
    np.testing.assert_allclose(similarity, products.max(axis=1), atol=1e-6)


def test_no_centroid_stays_without_points(rng: np.random.Generator) -> None:
    # Drawn twice from one direction, a centroid would otherwise never get a point.
    one, far = unit(rng.standard_normal((1, 4))), unit(rng.standard_normal((1, 4)))
    points = np.concatenate([np.repeat(one, 50, axis=0), far])
    found = kmeans.cluster(points, 3, rounds=3, seed=0)
    assert kmeans.assign(far, found)[1][0] > 0.9999


def test_the_same_seed_gives_the_same_centroids(rng: np.random.Generator) -> None:
    points = unit(rng.standard_normal((60, 4)))
    first, again, other = (kmeans.cluster(points, 5, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("k", [0, 11])
def test_more_centroids_than_points(k: int) -> None:
    with pytest.raises(ValueError, match=rf"from 1 to .*points \(10\), got {k}"):
        kmeans.cluster(np.ones((10, 4), np.float32), k)
