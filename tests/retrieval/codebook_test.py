import numpy as np
import pytest

from optical_jax.retrieval import codebook
from optical_jax.retrieval.vectors import TokenVectors
from tests.models import tiny


def test_the_sample_is_bounded_and_the_same_again():
    sizes = {1: 1, 1000: 1000, 5000: 1024, 16384: 2048, 10**6: 16384}
    for documents, size in sizes.items():
        drawn = codebook.sample(documents)
        assert len(set(drawn.tolist())) == len(drawn) == size
        assert 0 <= drawn[0] <= drawn[-1] < documents
        assert drawn.tolist() == sorted(drawn.tolist())
        np.testing.assert_array_equal(codebook.sample(documents), drawn)


@pytest.mark.parametrize(
    ("sampled", "total", "centroids"),
    [(5, 5, 1), (640, 640, 16), (640, 10**6, 16), (640, 1, 16), (700, 700, 16)],
)
def test_centroids_are_as_many_as_the_sample_can_teach(rng, sampled, total, centroids):
    rows = rng.standard_normal((sampled, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    codec = codebook.learn(rows, total=total, storage="residual-4")
    assert codec.centroids.shape == (centroids, 8)
    assert codec.bits == 4


def test_without_a_vector_there_is_nothing_to_learn():
    nothing = np.zeros((0, 8), np.float16)
    with pytest.raises(ValueError, match="the sample has none; keep vectors as int8"):
        codebook.learn(nothing, total=1, storage="residual-2")


def test_it_is_learnt_once_and_read_from_then_on(rng, tmp_path):
    def made(rows):
        count = len(rows) // 4
        return codebook.of_index(
            tmp_path / "codec",
            tiny.make(tiny.TOKENWISE),
            ["not encoded"] * count,
            storage="residual-2",
            source=TokenVectors(rows, np.arange(count + 1) * 4, np.arange(len(rows))),
            batch_size=6,
            mesh=None,
        )

    rows = rng.standard_normal((400, 8)).astype(np.float16)
    first = made(rows)
    names = {path.name for path in (tmp_path / "codec").iterdir()}
    assert names == {"centroids.npy", "cutoffs.npy", "weights.npy"}
    assert [path.name for path in tmp_path.iterdir()] == ["codec"]
    # Other vectors would give other centroids.
    np.testing.assert_array_equal(made(rows[:200]).centroids, first.centroids)
    (tmp_path / "codec" / "cutoffs.npy").write_bytes(b"")
    with pytest.raises(ValueError, match="centroids in .*codec are damaged"):
        made(rows)
