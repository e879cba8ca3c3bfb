import numpy as np
import pytest

from optical_jax.retrieval import residual


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def vectors(rng: np.random.Generator) -> np.ndarray:
    return unit(rng.standard_normal((400, 16)))


def packed_by_loops(bucket_rows: np.ndarray, bits: int) -> np.ndarray:
    """ColBERT's binarize, spelt out: lowest bit of a bucket first, highest of a byte."""
    rows = []
    for buckets in bucket_rows:
        stream = [(int(bucket) >> i) & 1 for bucket in buckets for i in range(bits)]
        bytes_ = [stream[i : i + 8] for i in range(0, len(stream), 8)]
        rows.append([int("".join(map(str, byte)), 2) for byte in bytes_])
    return np.array(rows, np.uint8)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_bytes_are_those_of_a_plain_loop(vectors: np.ndarray, bits: int) -> None:
    codec = residual.fit(unit(vectors[:8]), vectors, bits=bits)
    codes, packed = residual.compress(vectors[:50], codec)
    centroids = codec.centroids.astype(np.float32)
    np.testing.assert_array_equal(codes, (vectors[:50] @ centroids.T).argmax(axis=1))
    left = vectors[:50] - centroids[codes]
    # torch.bucketize(right=False): how many cutoffs are below the value.
    buckets = (left[..., None] > codec.cutoffs).sum(axis=-1)
    np.testing.assert_array_equal(packed, packed_by_loops(buckets, bits))
    wanted = centroids[codes] + codec.weights[buckets]
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = residual.decompress(codes, packed, codec)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_buckets_are_quantiles_of_the_residuals(vectors: np.ndarray) -> None:
    codec = residual.fit(unit(vectors[:8]), vectors, bits=2)
    codes, _ = residual.compress(vectors, codec)
    left = vectors - codec.centroids[codes].astype(np.float32)
    shares = [(left <= cut).mean() for cut in codec.cutoffs]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75], atol=1e-3)
    shares = [(left <= weight).mean() for weight in codec.weights]
    np.testing.assert_allclose(shares, [0.125, 0.375, 0.625, 0.875], atol=1e-3)
    np.testing.assert_allclose(codec.average, np.abs(left).mean(axis=0), atol=1e-6)
    assert codec.bits == 2


def test_more_bits_are_closer(vectors: np.ndarray) -> None:
    kept = []
    for bits in (1, 2, 4):
        codec = residual.fit(unit(vectors[:8]), vectors, bits=bits)
        found = residual.decompress(*residual.compress(vectors, codec), codec)
        kept.append(float((found * vectors).sum(axis=1).mean()))
    assert kept == sorted(kept)
    assert kept[-1] > 0.98 > kept[1]


def test_blocks_do_not_matter(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = residual.fit(unit(vectors[:8]), vectors, bits=4)
    codes, packed = residual.compress(vectors, codec)
    rows = residual.decompress(codes, packed, codec)
    monkeypatch.setattr(residual, "_BLOCK", 37)
    np.testing.assert_array_equal(residual.compress(vectors, codec)[1], packed)
    np.testing.assert_array_equal(residual.decompress(codes, packed, codec), rows)


@pytest.mark.parametrize(("vectors_", "k"), [(1, 16), (1000, 256), (4096, 1024)])
def test_number_of_centroids(vectors_: int, k: int) -> None:
    assert residual.number_of_centroids(vectors_) == k


@pytest.mark.parametrize(("width", "bits"), [(16, 3), (6, 1), (9, 4)])
def test_bits_that_fill_no_bytes(width: int, bits: int) -> None:
    with pytest.raises(ValueError, match=f"got {bits} bits and width {width}"):
        residual.check(width, bits)
