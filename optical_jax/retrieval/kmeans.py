"""Spherical k-means in JAX, in blocks: centroids of unit vectors by their dot product."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# Similarities held at once, as float32: 128 MiB.
_LARGEST_BLOCK = 2**25

# Told how many rounds are done, of how many.
Progress = Callable[[int, int], None]


def cluster(
    points: Float[np.ndarray, "n d"],
    k: int,
    *,
    rounds: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> Float[np.ndarray, "k d"]:
    """Return k unit centroids; the first ones are points drawn at random.

    A round assigns every point to the centroid of the largest dot product and makes each
    centroid the direction of the mean of its points (Dhillon and Modha, 2001). A centroid
    without points becomes one of the points that are worst represented.

    Raises:
        ValueError: if there are fewer points than centroids.
    """
    if not 1 <= k <= len(points):
        raise ValueError(
            f"k-means needs from 1 to as many centroids as points ({len(points)}), got {k}"
        )
    drawn = np.random.default_rng(seed).choice(len(points), k, replace=False)
    centroids = _unit(points[np.sort(drawn)].astype(np.float32))
    for done in range(rounds):
        sums = np.zeros_like(centroids)
        counts = np.zeros(k, np.int64)
        codes, similarity = assign(points, centroids)
        for start in range(0, len(points), 1 << 20):
            part = slice(start, start + (1 << 20))
            rows = np.asarray(points[part], np.float32)
            sums += np.asarray(jax.ops.segment_sum(rows, codes[part], num_segments=k))
            counts += np.bincount(codes[part], minlength=k)
        centroids = _unit(sums)
        empty = np.flatnonzero(counts == 0)
        worst = np.argsort(similarity, kind="stable")[: len(empty)]
        centroids[empty] = _unit(points[worst].astype(np.float32))
        if progress is not None:
            progress(done + 1, rounds)
    return centroids


def assign(
    points: Float[np.ndarray, "n d"], centroids: Float[np.ndarray, "k d"]
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return each point's centroid of the largest dot product, and that product."""
    step = max(1, min(len(points), _LARGEST_BLOCK // len(centroids)))
    transposed = jnp.asarray(centroids.T, jnp.float32)
    codes = np.empty(len(points), np.int32)
    similarity = np.empty(len(points), np.float32)
    for start in range(0, len(points), step):
        block = np.asarray(points[start : start + step], np.float32)
        # The last block is filled up: one shape, one compilation.
        filled = np.zeros((step, block.shape[1]), np.float32)
        filled[: len(block)] = block
        found, best = _closest(filled, transposed)
        codes[start : start + step] = np.asarray(found)[: len(block)]
        similarity[start : start + step] = np.asarray(best)[: len(block)]
    return codes, similarity


@jax.jit
def _closest(
    points: Float[Array, "n d"] | Float[np.ndarray, "n d"],
    transposed: Float[Array, "d k"],
) -> tuple[Int[Array, " n"], Float[Array, " n"]]:
    similarity = jnp.dot(points, transposed, precision=jax.lax.Precision.HIGHEST)
    return jnp.argmax(similarity, axis=1), jnp.max(similarity, axis=1)


def _unit(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
