"""Matrix products of linear layers whose factors are rounded to bfloat16.

What TPUs do with float32 by default, for every machine: CPUs that have AVX-512 BF16 or AMX
take half the time for it, others longer. Sums, and all that is between the products, stay
float32.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

# As `jax.lax.dot_general` takes them: contracted axes of both factors, then batch axes.
Dimensions = tuple[
    tuple[tuple[int, ...], tuple[int, ...]], tuple[tuple[int, ...], tuple[int, ...]]
]

_CPUINFO = Path("/proc/cpuinfo")
# As Linux names what multiplies bfloat16: on x86, and on ARM.
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}


@functools.cache
def rounding_is_faster(platform: str, cpuinfo: Path = _CPUINFO) -> bool:
    """Tell whether products of rounded factors take less time than those of float32.

    Args:
        platform: of the devices: "cpu", "gpu", "tpu". On the last two float32 is left to
            jax, which rounds there as `jax_default_matmul_precision` says.
        cpuinfo: what Linux tells of this machine; where it is missing nothing is known.
    """
    if platform != "cpu" or not cpuinfo.is_file():
        return False
    words = cpuinfo.read_text(encoding="utf-8", errors="replace").split()
    return not _INSTRUCTIONS.isdisjoint(words)


def bfloat16(
    x: Float[Array, "... n"],
    kernel: Float[Array, "n m"],
    dimensions: Dimensions,
    precision: jax.lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
    out_sharding: jax.sharding.Sharding | None = None,
) -> Float[Array, "... m"]:
    """Multiply the last axis of x with the first of a kernel, as `nnx.Linear` does.

    Both factors are rounded to bfloat16, the gradients' too; products are added in float32.
    Arrays that are not float32 are multiplied as they are.
    """
    if x.dtype != jnp.float32 or kernel.dtype != jnp.float32:
        return jax.lax.dot_general(
            x,
            kernel,
            dimensions,
            precision=precision,
            preferred_element_type=preferred_element_type,
            out_sharding=out_sharding,
        )
    return _product(x, kernel)


def _rounded(
    x: Float[Array, "..."], y: Float[Array, "..."], over_x: range, over_y: range
) -> Float[Array, "..."]:
    return jax.lax.dot_general(
        x.astype(jnp.bfloat16),
        y.astype(jnp.bfloat16),
        ((tuple(over_x), tuple(over_y)), ((), ())),
        preferred_element_type=jnp.float32,
    )


@jax.custom_vjp
def _product(
    x: Float[Array, "... n"], kernel: Float[Array, "n m"]
) -> Float[Array, "... m"]:
    return _rounded(x, kernel, range(x.ndim - 1, x.ndim), range(1))


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    # Kept in the precision that they are used in: half the memory.
    kept = x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)
    return _product(x, kernel), kept


def _backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = kept
    last, leading = range(gradient.ndim - 1, gradient.ndim), range(x.ndim - 1)
    return (
        _rounded(gradient, kernel, last, range(1, 2)),
        _rounded(x, gradient, leading, leading),
    )


_product.defvjp(_forward, _backward)
