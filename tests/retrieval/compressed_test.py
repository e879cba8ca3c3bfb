import numpy as np
import pytest

from optical_jax.retrieval import compressed, residual


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def vectors(rng):
    return unit(rng.standard_normal((500, 16)))


def test_int8_is_within_half_a_step(vectors, tmp_path):
    vectors[3] = 0
    compressed.write(vectors.astype(np.float16), tmp_path, storage="int8")
    found = compressed.read(tmp_path)
    step = np.abs(vectors).max(axis=1, keepdims=True) / 127
    # float16 rounds the vectors before, and what is read after.
    assert (np.abs(found - vectors) <= step / 2 + 2 * 2.0**-11).all()
    assert found.dtype == np.float16
    assert not found[3].any()
    assert np.load(tmp_path / "codes.npy").dtype == np.int8


def test_int8_steps_are_those_of_a_loop():
    rows = np.array([[1.27, -0.634, 0.0], [0.5, 0.3, -0.5]], np.float32)
    steps, scales = compressed.quantized(rows)
    assert steps.tolist() == [[127, -63, 0], [127, 76, -127]]
    np.testing.assert_allclose(scales, [0.01, 0.5 / 127], rtol=1e-6)


def test_residuals_are_those_of_the_codec(vectors, tmp_path):
    compressed.write(vectors, tmp_path, storage="residual-2", seed=3)
    codec = residual.train(vectors, bits=2, seed=3)
    expected = residual.decompress(*residual.compress(vectors, codec), codec)
    np.testing.assert_array_equal(
        compressed.read(tmp_path), expected.astype(np.float16)
    )


def test_fewer_bytes_are_further(vectors, tmp_path):
    near, sizes = [], []
    for storage in ("residual-1", "residual-2", "residual-4", "int8"):
        (tmp_path / storage).mkdir()
        compressed.write(vectors, tmp_path / storage, storage=storage)
        found = compressed.read(tmp_path / storage).astype(np.float32)
        near.append(float((found * vectors).sum(axis=1).mean()))
        arrays = [p for p in (tmp_path / storage).iterdir() if p.stem != "centroids"]
        sizes.append(sum(p.stat().st_size for p in arrays))
    assert near == sorted(near)
    assert near[-1] > 0.9999
    assert sizes == sorted(sizes)


def test_bytes_on_disk(vectors, tmp_path):
    compressed.write(vectors, tmp_path, storage="int8")
    # Two headers of 128 bytes.
    assert compressed.bytes_of(tmp_path) == 500 * (16 + 4) + 256


def test_wrong_storage_is_refused(vectors, tmp_path):
    with pytest.raises(ValueError, match="one of int8, residual-1.*got 'int4'"):
        compressed.check("int4", 16)
    with pytest.raises(ValueError, match="a multiple of 8, got 1 bits and width 12"):
        compressed.write(vectors[:, :12], tmp_path, storage="residual-1")
    with pytest.raises(ValueError, match="vectors to compress, got none"):
        compressed.write(vectors[:0], tmp_path, storage="int8")
