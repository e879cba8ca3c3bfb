"""How much mass each token has to send or receive; padding has none."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def uniform(chosen: Bool[Array, " m"]) -> Float[Array, " m"]:
    """Spread a mass of 1 evenly over the chosen slots.

    A row without any chosen slot (padding of a batch) has no mass at all.
    """
    mass = chosen.astype(jnp.float32)
    return mass / jnp.maximum(mass.sum(), 1.0)
