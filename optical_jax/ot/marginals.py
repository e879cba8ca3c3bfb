"""How much mass each token has to send or receive; padding has none."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def uniform(chosen: Bool[Array, " m"]) -> Float[Array, " m"]:
    """Spread a mass of 1 evenly over the chosen slots.

    A row without any chosen slot (padding of a batch) has no mass at all.
    """
    mass = chosen.astype(jnp.float32)
    return mass / jnp.maximum(mass.sum(), 1.0)


def weighted(
    chosen: Bool[Array, " m"], importance: Float[Array, " m"]
) -> Float[Array, " m"]:
    """Spread a mass of 1 over the chosen slots in proportion to their importance.

    Args:
        chosen: the slots that may have mass.
        importance: at least 0; anywhere else than at chosen slots it may be anything.

    Returns:
        The masses; even ones where no chosen slot has importance, none where no slot is
        chosen.
    """
    mass = jnp.where(chosen, importance.astype(jnp.float32), 0.0)
    total = mass.sum()
    return jnp.where(
        total > 0, mass / jnp.where(total > 0, total, 1.0), uniform(chosen)
    )
