"""PLAID's codec: a token vector as its centroid and a few bits of each residual.

Santhanam et al. 2022 (ColBERTv2, arXiv 2112.01488, section 3.3; PLAID, arXiv 2205.09707); the
bits lie as in ColBERT's codecs/residual.py and in fast-plaid: the lowest bit of a bucket's
number first, bytes filled from their highest bit.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8

from optical_jax.retrieval import kmeans

Bits = Literal[1, 2, 4]
# Vectors held at once in the many bytes that bits take as numbers.
_BLOCK = 1 << 15
# As in ColBERT and fast-plaid: points per centroid that k-means sees, and its rounds.
_POINTS_PER_CENTROID = 256
ROUNDS = 4
# A gigabyte at width 128 in float16.
_MOST_POINTS = 1 << 22
# Share and number of vectors that buckets are fitted on.
_HELD_OUT = 0.05
_MOST_HELD_OUT = 50_000


@dataclass(frozen=True)
class Codec:
    """How vectors of width d are compressed.

    Attributes:
        centroids: [k d] float16, unit vectors.
        cutoffs: [2^bits - 1] float32; between them lie the buckets of residuals.
        weights: [2^bits] float32; what a residual of each bucket becomes.
        average: [d] float32, mean size of a residual.
        threshold: three of four residuals are shorter.
    """

    centroids: np.ndarray
    cutoffs: np.ndarray
    weights: np.ndarray
    average: np.ndarray
    threshold: float

    @property
    def bits(self) -> int:
        """Bits of each number of a residual."""
        return int(math.log2(len(self.weights)))


def number_of_centroids(vectors: int) -> int:
    """Return PLAID's choice of k: the power of 2 at or below 16 sqrt(vectors)."""
    return 2 ** int(math.floor(math.log2(16 * math.sqrt(vectors))))


def check(width: int, bits: int) -> None:
    """Check that residuals fill whole bytes.

    Raises:
        ValueError: if they do not.
    """
    if bits not in (1, 2, 4) or width * bits % 8:
        raise ValueError(
            "nbits must be 1, 2 or 4, and the vectors' width times nbits a multiple of 8, "
            f"got {bits} bits and width {width}; take more bits or another projection"
        )


def train(
    vectors: Any,  # noqa: ANN401
    *,
    bits: int,
    centroids: int | None = None,
    seed: int = 0,
    progress: kmeans.Progress | None = None,
) -> Codec:
    """Make centroids of some vectors by k-means, and fit the buckets on others.

    Args:
        vectors: [n d], at least one; an array, or rows in files, of which a sample is read.
        bits: of each number of a residual: 1, 2 or 4.
        centroids: how many; None: PLAID's choice.
        seed: of the draws.
        progress: called after each of k-means' `ROUNDS`.
    """
    total = len(vectors)
    centroids = min(centroids or number_of_centroids(total), total)
    rng = np.random.default_rng(seed)
    held = max(1, min(int(_HELD_OUT * total), _MOST_HELD_OUT))
    points = min(_POINTS_PER_CENTROID * centroids, max(_MOST_POINTS, centroids))
    drawn = rng.choice(total, min(total, points + held), replace=False)
    # Where there is nothing to spare, the vectors held out are also clustered.
    shared = len(drawn) - held < centroids
    sample = np.sort(drawn if shared else drawn[held:])
    made = kmeans.cluster(
        vectors[sample], centroids, rounds=ROUNDS, seed=seed, progress=progress
    )
    held_out = np.asarray(vectors[np.sort(drawn[:held])], np.float32)
    return fit(made, held_out, bits=bits)


def fit(
    centroids: Float[np.ndarray, "k d"],
    held_out: Float[np.ndarray, "n d"],
    *,
    bits: int,
) -> Codec:
    """Choose the buckets by quantiles of the residuals of vectors held out."""
    check(centroids.shape[1], bits)
    halves = centroids.astype(np.float16)
    codes, _ = kmeans.assign(held_out, halves.astype(np.float32))
    residuals = held_out.astype(np.float32) - halves[codes].astype(np.float32)
    buckets = 2**bits
    cuts = np.arange(1, buckets) / buckets
    return Codec(
        centroids=halves,
        cutoffs=np.quantile(residuals, cuts).astype(np.float32),
        weights=np.quantile(residuals, (np.arange(buckets) + 0.5) / buckets).astype(
            np.float32
        ),
        average=np.abs(residuals).mean(axis=0).astype(np.float32),
        threshold=float(np.quantile(np.linalg.norm(residuals, axis=1), 0.75)),
    )


def compress(
    vectors: Float[np.ndarray, "n d"], codec: Codec
) -> tuple[Int[np.ndarray, " n"], UInt8[np.ndarray, "n b"]]:
    """Return the centroid of each vector, and its packed residual of d * bits / 8 bytes."""
    centroids = codec.centroids.astype(np.float32)
    codes, _ = kmeans.assign(vectors, centroids)
    packed = np.empty((len(vectors), vectors.shape[1] * codec.bits // 8), np.uint8)
    for part in _blocks(len(vectors)):
        rows = np.asarray(vectors[part], np.float32) - centroids[codes[part]]
        # As torch.bucketize(right=False): the first cutoff at or above the value.
        buckets = np.searchsorted(codec.cutoffs, rows, side="left").astype(np.uint8)
        bits = (buckets[..., None] >> np.arange(codec.bits, dtype=np.uint8)) & 1
        packed[part] = np.packbits(bits.reshape(len(rows), -1), axis=1)
    return codes, packed


def decompress(
    codes: Integer[np.ndarray, " n"], residuals: UInt8[np.ndarray, "n b"], codec: Codec
) -> Float[np.ndarray, "n d"]:
    """Return unit vectors, float32: what a search engine scores in place of the originals."""
    out = np.empty((len(codes), codec.centroids.shape[1]), np.float32)
    # The numbers that each value of a byte stands for.
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    bits = bits.reshape(256, -1, codec.bits)
    numbers = codec.weights[(bits << np.arange(codec.bits)).sum(axis=2)]
    for part in _blocks(len(codes)):
        rows = numbers[residuals[part]].reshape(-1, out.shape[1])
        rows += codec.centroids[codes[part]]
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        out[part] = rows / np.maximum(length, 1e-12)
    return out


def _blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, _BLOCK):
        yield slice(start, start + _BLOCK)
