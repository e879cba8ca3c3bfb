"""Layers that the encoder families share; every parameter carries logical axis names."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

ACTIVATIONS = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_new": functools.partial(jax.nn.gelu, approximate=True),
    "gelu_pytorch_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
}


def check_activation(field: str, name: str) -> None:
    """Refuse an activation that ACTIVATIONS lacks."""
    if name not in ACTIVATIONS:
        raise ValueError(
            f"{field} must be one of {', '.join(sorted(ACTIVATIONS))}, got {name!r}; "
            "encoders with other activations are not read"
        )


def check_divides(whole: str, size: int, parts: str, count: int) -> None:
    """Refuse a size that does not split into so many parts."""
    if count < 1 or size % count:
        raise ValueError(
            f"{whole} must be divisible by {parts}, got {size} and {count}; the "
            "config.json is damaged, copy it again"
        )


class Linear(nnx.Linear):
    """A linear layer, which `models.lora` may give a product of low rank."""

    lora_scale: float | None = None

    def adapt(self, rank: int, scale: float, *, rngs: nnx.Rngs) -> None:
        """Add scale * (x A) B to what a call gives; B starts at 0."""
        first, last = self.kernel.get_metadata("out_sharding")
        a = nnx.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        self.lora_a = nnx.Param(
            a(rngs.params(), (self.in_features, rank)), out_sharding=(first, None)
        )
        self.lora_b = nnx.Param(
            jnp.zeros((rank, self.out_features)), out_sharding=(None, last)
        )
        self.lora_scale = scale

    def __call__(self, x: Float[Array, "... n"]) -> Float[Array, "... m"]:
        """Apply the layer to the last axis."""
        y = super().__call__(x)
        if self.lora_scale is None:
            return y
        a, b = self.lora_a[...].astype(self.dtype), self.lora_b[...].astype(self.dtype)
        return y + self.lora_scale * ((x.astype(self.dtype) @ a) @ b)


def linear(
    n_in: int,
    n_out: int,
    axes: tuple[str | None, str | None],
    *,
    bias: bool = True,
    dtype: DTypeLike,
    rngs: nnx.Rngs,
) -> Linear:
    """Make a linear layer; axes are those of its kernel [in, out]."""
    return Linear(
        n_in,
        n_out,
        use_bias=bias,
        dtype=dtype,
        kernel_init=nnx.initializers.normal(0.02),
        kernel_metadata={"out_sharding": axes},
        bias_metadata={"out_sharding": axes[1:]},
        rngs=rngs,
    )


def layer_norm(
    width: int, *, epsilon: float, bias: bool = True, dtype: DTypeLike, rngs: nnx.Rngs
) -> nnx.LayerNorm:
    """Make a LayerNorm over hidden states of this width."""
    return nnx.LayerNorm(
        width,
        epsilon=epsilon,
        use_bias=bias,
        dtype=dtype,
        # E[x^2] - E[x]^2 loses digits where the mean is large against the spread.
        use_fast_variance=False,
        scale_metadata={"out_sharding": ("embed",)},
        bias_metadata={"out_sharding": ("embed",)},
        rngs=rngs,
    )


class RMSNorm(nnx.Module):
    """Root mean square normalisation (arXiv 1910.07467), computed in float32.

    The factor is offset + scale; Gemma's offset is 1 and its scale starts at 0.
    """

    def __init__(
        self,
        width: int,
        *,
        epsilon: float,
        offset: float = 0.0,
        axis: str | None = "embed",
        dtype: DTypeLike,
    ):
        self.epsilon = epsilon
        self.offset = offset
        self.dtype = dtype
        self.scale = nnx.Param(
            jnp.full((width,), 1.0 - offset, jnp.float32), out_sharding=(axis,)
        )

    def __call__(self, x: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """Normalise the last axis."""
        x = x.astype(jnp.float32)
        square = jnp.mean(x * x, axis=-1, keepdims=True)
        factor = self.offset + self.scale[...].astype(jnp.float32)
        return (x * jax.lax.rsqrt(square + self.epsilon) * factor).astype(self.dtype)


def embed(
    rows: int,
    width: int,
    axes: tuple[str | None, str | None],
    *,
    dtype: DTypeLike,
    rngs: nnx.Rngs,
) -> nnx.Embed:
    """Make an embedding table [rows, width] with these axes."""
    return nnx.Embed(
        rows,
        width,
        dtype=dtype,
        embedding_init=nnx.initializers.normal(0.02),
        embedding_metadata={"out_sharding": axes},
        rngs=rngs,
    )


def heads(x: Float[Array, "b l d"], count: int) -> Float[Array, "b l h k"]:
    """Split hidden states into heads."""
    return x.reshape(*x.shape[:2], count, -1)


def rotary_frequencies(width: int, theta: float) -> np.ndarray:
    """Return the angles per position [width / 2] of rotary embeddings (arXiv 2104.09864)."""
    return (theta ** (-np.arange(0, width, 2) / width)).astype(np.float32)


def rotary(
    x: Float[Array, "b l h k"], frequencies: np.ndarray | Array
) -> Float[Array, "b l h k"]:
    """Rotate the pairs (i, i + k/2) of each head by position * frequencies [k/2].

    The halves are paired as in transformers' `rotate_half`, not neighbours. Positions count
    from 0 at the row's start.
    """
    angles = jnp.arange(x.shape[1], dtype=jnp.float32)[:, None] * frequencies
    cos, sin = jnp.cos(angles)[:, None, :], jnp.sin(angles)[:, None, :]
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    rotated = [first * cos - second * sin, second * cos + first * sin]
    return jnp.concatenate(rotated, axis=-1).astype(x.dtype)
