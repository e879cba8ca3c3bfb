"""Low-rank adaptation (LoRA, Hu et al. 2021, arXiv 2106.09685): train little, export all.

A linear layer with kernel W computes x W + (alpha / rank) (x A) B; W stays as it is and is
never differentiated. `merged` adds the product to the kernels, so that whoever reads an
export sees a plain encoder.
"""

import re
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from optical_jax.models import layers

# The names of A and B beside the kernel that they adapt.
ADAPTERS = ("lora_a", "lora_b")


@dataclass(frozen=True, kw_only=True)
class LoraConfig:
    """Which linear layers are adapted, and how much each may change."""

    # Width of what is learned for each layer; 0: no adapters, everything is trained.
    rank: int = 0
    # What is learned counts alpha / rank.
    alpha: float = 16.0
    # Regular expressions on paths such as "encoder/layers/0/query"; the default adapts
    # every linear layer.
    targets: tuple[str, ...] = ("^encoder/layers/",)
    # Parameters that are trained whole beside the adapters and the head's projection:
    # regular expressions on paths such as "encoder/embeddings/word/embedding".
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.rank < 0:
            raise ValueError(f"student.lora.rank must be at least 0, got {self.rank}")
        if self.alpha <= 0:
            raise ValueError(f"student.lora.alpha must be > 0, got {self.alpha}")


NO_ADAPTERS = LoraConfig()


def attach(model: nnx.Module, config: LoraConfig, *, rngs: nnx.Rngs) -> None:
    """Give the linear layers of a model that the targets match their A and B.

    B starts at 0, so that the model starts as it was.

    Raises:
        ValueError: if a target matches no linear layer.
    """
    found = {
        "/".join(map(str, path)): module
        for path, module in nnx.iter_graph(model)
        if isinstance(module, layers.Linear)
    }
    for pattern in config.targets:
        if not any(re.search(pattern, name) for name in found):
            raise ValueError(
                f"student.lora.targets: {pattern!r} matches no linear layer; they are "
                f"called {', '.join(sorted(found)[:8])} and so on"
            )
    for name, module in sorted(found.items()):
        if any(re.search(pattern, name) for pattern in config.targets):
            module.adapt(config.rank, config.alpha / config.rank, rngs=rngs)


def adapters(params: nnx.State) -> nnx.State:
    """Return the adapters alone of an adapted model's parameters."""
    flat = nnx.to_flat_state(params)
    return nnx.from_flat_state([(p, v) for p, v in flat if p[-1] in ADAPTERS])


def is_learned(path: tuple, config: LoraConfig) -> bool:
    """Tell whether a parameter of an adapted model is trained."""
    name = "/".join(map(str, path))
    return (
        path[-1] in ADAPTERS
        or path[0] == "projection"
        or any(re.search(pattern, name) for pattern in config.also)
    )


def learned(params: nnx.State, config: LoraConfig) -> nnx.State:
    """Return what is trained of an adapted model's parameters.

    Raises:
        ValueError: if a pattern of config.also matches no parameter.
    """
    flat = list(nnx.to_flat_state(params))
    names = ["/".join(map(str, path)) for path, _ in flat]
    for pattern in config.also:
        if not any(re.search(pattern, name) for name in names):
            raise ValueError(
                f"student.lora.also: {pattern!r} matches no parameter; paths look like "
                f"{names[0]!r} and {names[-1]!r}"
            )
    return nnx.from_flat_state([(p, v) for p, v in flat if is_learned(p, config)])


def fixed(params: nnx.State, config: LoraConfig, *, dtype: jnp.dtype) -> nnx.State:
    """Return the parameters of a plain model that are not trained, for computing in dtype.

    Kernels and words are kept in that dtype: what a product sees is the same, in less
    memory.
    """

    def kept(path: tuple, leaf: nnx.Variable) -> nnx.Variable:
        if path[-1] == "kernel" or path[-2:] == ("word", "embedding"):
            return leaf.replace(leaf[...].astype(dtype))
        return leaf

    return nnx.from_flat_state(
        [
            (path, kept(path, leaf))
            for path, leaf in nnx.to_flat_state(params)
            if not is_learned(path, config)
        ]
    )


def merged(params: nnx.State, trained: nnx.State, config: LoraConfig) -> nnx.State:
    """Return a plain model's parameters with what was trained in them.

    Args:
        params: of the plain model, as training started.
        trained: what `learned` returned, after training.
        config: the adapters'.
    """
    flat = dict(nnx.to_flat_state(params))
    products = {}
    for path, leaf in nnx.to_flat_state(trained):
        if path[-1] in ADAPTERS:
            products[path] = leaf[...]
        else:
            flat[path] = leaf
    for path in products:
        if path[-1] == "lora_a":
            layer = path[:-1]
            change = jnp.matmul(
                products[path],
                products[*layer, "lora_b"],
                precision=jax.lax.Precision.HIGHEST,
            )
            kernel = flat[*layer, "kernel"]
            scale = config.alpha / config.rank
            flat[*layer, "kernel"] = kernel.replace(kernel[...] + scale * change)
    return nnx.from_flat_state(flat)
