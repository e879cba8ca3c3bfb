import numpy as np
import pytest

from optical_jax.retrieval import codebook, compressed, residual, search
from optical_jax.retrieval.vectors import TokenVectors

# Largest first.
STORAGES = ("float32", "float16", "int8", "residual-4", "residual-2", "residual-1")


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def vectors(rng):
    return unit(rng.standard_normal((500, 16)))


def packed(vectors, storage):
    codec = None
    if compressed.bits(storage):
        codec = codebook.learn(vectors, total=len(vectors), storage=storage)
    arrays = compressed.pack(vectors, storage, codec)
    assert tuple(arrays) == compressed.names(storage)
    assert {len(array) for array in arrays.values()} == {len(vectors)}
    return compressed.unpacked(arrays, codec, where="here"), arrays, codec


def test_int8_is_within_half_a_step(vectors):
    vectors[3] = 0
    held, arrays, _ = packed(vectors.astype(np.float16), "int8")
    step = np.abs(vectors).max(axis=1, keepdims=True) / 127
    # float16 rounds the vectors before.
    assert (np.abs(held[:] - vectors) <= step / 2 + 2.0**-11).all()
    assert not held[3:4].any()
    assert arrays["steps"].dtype == np.int8


def test_int8_steps_are_those_of_a_loop():
    rows = np.array([[1.27, -0.634, 0.0], [0.5, 0.3, -0.5]], np.float32)
    steps, scales = compressed.quantized(rows)
    assert steps.tolist() == [[127, -63, 0], [127, 76, -127]]
    np.testing.assert_allclose(scales, [0.01, 0.5 / 127], rtol=1e-6)


def test_residuals_are_those_of_the_codec(vectors):
    held, arrays, codec = packed(vectors, "residual-2")
    codes, residuals = residual.compress(vectors, codec)
    np.testing.assert_array_equal(arrays["codes"], codes)
    assert arrays["codes"].dtype == np.uint16
    expected = residual.decompress(codes, residuals, codec)
    np.testing.assert_array_equal(np.asarray(held), expected)


@pytest.mark.parametrize("storage", STORAGES)
def test_parts_are_parts_of_the_whole(vectors, storage):
    held, _, _ = packed(vectors, storage)
    whole = np.asarray(held)
    assert held.shape == whole.shape == (500, 16)
    assert (len(held), held.dtype) == (500, whole.dtype)
    np.testing.assert_array_equal(held[7:90], whole[7:90])
    np.testing.assert_array_equal(held[np.array([400, 3, 3])], whole[[400, 3, 3]])
    assert held[5:5].shape == (0, 16)


def test_fewer_bytes_are_further(vectors):
    moved, sizes = [], []
    for storage in STORAGES:
        held, arrays, _ = packed(vectors, storage)
        moved.append(np.linalg.norm(np.asarray(held) - vectors, axis=1).mean())
        sizes.append(sum(array.nbytes for array in arrays.values()) / 500)
    assert moved == sorted(moved)
    assert moved[2] < 0.01
    assert sizes == [64, 32, 20, 10, 6, 4]


@pytest.mark.parametrize("passes", ["one", "two"])
@pytest.mark.parametrize("storage", ["int8", "residual-4"])
def test_search_is_that_of_the_unpacked_vectors(rng, vectors, storage, passes):
    held, _, _ = packed(vectors, storage)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 9, 100))])
    offsets = np.minimum(offsets, 500)
    offsets[-1] = 500
    ids = np.zeros(500, np.int32)
    queries = TokenVectors(vectors[:20], np.array([0, 8, 20]), ids[:20])
    found, expected = (
        search.search(
            queries, TokenVectors(rows, offsets, ids), k=9, chunk=30, passes=passes
        )
        for rows in (held, np.asarray(held))
    )
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_centroid_that_is_not_there_is_named(vectors):
    held, arrays, codec = packed(vectors, "residual-4")
    arrays["codes"][17] = len(codec.centroids)
    assert len(held[:17]) == 17
    message = rf"here is damaged: a vector has centroid {len(codec.centroids)} of "
    with pytest.raises(ValueError, match=message):
        held[10:20]


def test_a_codec_is_read_as_it_was_written(vectors, tmp_path):
    _, arrays, codec = packed(vectors, "residual-2")
    compressed.write_codec(codec, tmp_path)
    read = compressed.read_codec(tmp_path)
    np.testing.assert_array_equal(
        residual.decompress(arrays["codes"], arrays["residuals"], read),
        residual.decompress(arrays["codes"], arrays["residuals"], codec),
    )
    (tmp_path / "weights.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=rf"{tmp_path} are damaged .*; delete"):
        compressed.read_codec(tmp_path)


def test_wrong_storage_is_refused():
    with pytest.raises(ValueError, match="one of float32, float16, int8.*got 'int4'"):
        compressed.check("int4", 16)
    with pytest.raises(ValueError, match="a multiple of 8, got 1 bits and width 12"):
        compressed.check("residual-1", 12)
    for storage in STORAGES:
        compressed.check(storage, 16)
