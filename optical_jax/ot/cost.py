"""Ground costs between two clouds of token vectors; one pair of sentences at a time."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def cosine(x: Float[Array, "m d"], y: Float[Array, "n d"]) -> Float[Array, "m n"]:
    """Return 1 - <x_i, y_j>, the cosine distance of unit vectors, in float32, in [0, 2].

    The vectors are taken as they are: a retriever's are unit vectors already.
    """
    return 1.0 - x.astype(jnp.float32) @ y.astype(jnp.float32).T


def squared_euclidean(
    x: Float[Array, "m d"], y: Float[Array, "n d"]
) -> Float[Array, "m n"]:
    """Return |x_i - y_j|^2 in float32; twice the cosine distance for unit vectors."""
    x, y = x.astype(jnp.float32), y.astype(jnp.float32)
    norms = jnp.sum(x * x, axis=1)[:, None] + jnp.sum(y * y, axis=1)[None]
    return jnp.maximum(norms - 2.0 * x @ y.T, 0.0)
