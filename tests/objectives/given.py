"""What an objective is given, from token batches at hand."""

from types import SimpleNamespace

import jax.numpy as jnp


def encode(student=None, teacher=None, arrays=None, progress=0.0):
    """Serve token batches by field name, and arrays by (key, name)."""
    return SimpleNamespace(
        student=lambda field: student[field],
        teacher=lambda field: teacher[field],
        array=lambda key, name: arrays[key, name],
        progress=jnp.float32(progress),
    )
