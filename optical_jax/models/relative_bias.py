"""T5's relative positions: a learned bias of attention logits for each bucket of distances."""

import math

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from optical_jax.models import layers


def buckets(length: int, *, number: int, farthest: int) -> Int[Array, "l l"]:
    """Return the bucket of each place (columns) seen from each place (rows).

    Half of the buckets are for what lies ahead. Of each half, one half has a bucket per
    distance and the rest grow with its logarithm up to `farthest` (arXiv 1910.10683, 2.1).
    """
    half = number // 2
    exact = half // 2
    distance = np.arange(farthest + 1, dtype=np.float32)
    # In float32 as transformers computes it: some edges fall on whole numbers.
    grown = np.log(np.maximum(distance, exact) / np.float32(exact))
    grown = grown / np.float32(math.log(farthest / exact)) * np.float32(half - exact)
    far = np.minimum(exact + grown.astype(np.int32), half - 1)
    table = jnp.asarray(np.where(distance < exact, distance.astype(np.int32), far))
    place = jnp.arange(length)
    ahead = place[None, :] - place[:, None]
    return table[jnp.minimum(jnp.abs(ahead), farthest)] + half * (ahead > 0)


class RelativeBias(nnx.Module):
    """What is added to the attention logits of each head, by relative position."""

    def __init__(
        self,
        heads: int,
        *,
        number: int,
        farthest: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.number = number
        self.farthest = farthest
        axes = (None, "heads")
        self.table = layers.embed(number, heads, axes, dtype=dtype, rngs=rngs)

    def __call__(self, length: int) -> Float[Array, "1 h l l"]:
        """Return the bias of all pairs of places."""
        places = buckets(length, number=self.number, farthest=self.farthest)
        return self.table(places).transpose(2, 0, 1)[None]
