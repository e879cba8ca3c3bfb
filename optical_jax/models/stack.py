"""An encoder's layers, one after the other: rematerialised, or compiled once for all.

Rematerialisation (Chen et al. 2016, arXiv 1604.06174) keeps little of a layer for the
backward pass and computes the rest again. Scanning compiles one layer, or one period of
layers that alternate, whatever their number: compiling takes a fraction of the time, and the
program holds a copy of the layers' parameters, one tensor for all. Neither changes a result.
"""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float

from optical_jax.models import products

# Layers of one kind may come after others and in turns: ModernBERT's first one differs, and
# every third one after it; of Gemma 3 every sixth.
_MAX_START, _MAX_PERIOD = 3, 8
# Of a mesh: a batch's texts are cut over both.
BATCH_AXES = ("data", "fsdp")


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """How an encoder computes; but for rounding, never what it computes."""

    # "cudnn" is cuDNN's flash attention: a GPU in bfloat16, no soft cap (Gemma 2); "auto"
    # takes it where it can be had, else XLA's.
    attention: Literal["auto", "xla", "cudnn"] = "auto"
    # What the backward pass computes again instead of keeping it: nothing, all but the
    # layers' inputs ("full"), or all but these and the products with weights ("dots").
    remat: Literal["none", "full", "dots"] = "none"
    # Compile one layer and loop over all.
    scan: bool = False
    # Products with weights in float32: as jax computes them, or of factors rounded to
    # bfloat16 with sums in float32, as TPUs do by default; "auto": the latter on CPUs that
    # have instructions for it, where it is faster.
    matmul: Literal["default", "bfloat16", "auto"] = "default"

    def on(self, platform: str) -> "EncoderOptions":
        """Return these options with what "auto" says of products on devices of a platform."""
        if self.matmul != "auto":
            return self
        rounded = products.rounding_is_faster(platform)
        return dataclasses.replace(self, matmul="bfloat16" if rounded else "default")


PLAIN = EncoderOptions()


def run(
    layers: Sequence[nnx.Module],
    x: Float[Array, "b l d"],
    mask: Bool[Array, "b l"],
    shared: dict[str, Any],
    *,
    keys: Array | None,
    options: EncoderOptions,
) -> Float[Array, "b l d"]:
    """Apply the layers in their order.

    Args:
        layers: called as `layer(x, mask, rngs=rngs, **shared)`.
        x: what goes into the first.
        mask: tokens that others attend to.
        shared: given to every layer.
        keys: one a layer, for dropout; None: no dropout.
        options: how.
    """
    x = by_rows(x)
    if options.remat == "none" and not options.scan:
        for i, layer in enumerate(layers):
            rngs = None if keys is None else nnx.Rngs(dropout=keys[i])
            x = by_rows(layer(x, mask, rngs=rngs, **shared))
        return x
    if not layers:
        return x
    graphs, states = zip(*(nnx.split(layer) for layer in layers), strict=True)
    start, period, turns = repetition(graphs) if options.scan else (len(graphs), 1, 0)
    end = start + period * turns

    def apply(i: int, x: Array, state: nnx.State, key: Array | None) -> Array:
        step = functools.partial(_apply, graphs[i])
        if options.remat != "none":
            step = jax.checkpoint(
                step,
                policy=_POLICIES[options.remat],
                # Inside a loop nothing is merged with what comes after it.
                prevent_cse=not start <= i < end,
            )
        return step(state, key, x, mask, shared)

    def one(i: int, x: Array) -> Array:
        return apply(i, x, states[i], None if keys is None else keys[i])

    for i in range(start):
        x = one(i, x)
    if turns:
        parts = [slice(start + k, end, period) for k in range(period)]
        stacked = [
            jax.tree.map(lambda *s: jnp.stack(s), *states[part]) for part in parts
        ]
        drawn = None if keys is None else [keys[part] for part in parts]

        def turn(x: Array, step: Any) -> tuple[Array, None]:  # noqa: ANN401
            found, drawn = step
            for k in range(period):
                x = apply(start + k, x, found[k], None if drawn is None else drawn[k])
            return x, None

        x, _ = jax.lax.scan(turn, x, (stacked, drawn))
    for i in range(end, len(layers)):
        x = one(i, x)
    return x


def by_rows(x: Float[Array, "b ..."]) -> Float[Array, "b ..."]:
    """Keep states cut by texts alone over the devices of the mesh in use, if there is one.

    Else the compiler may cut them by their width, as the kernels they meet are cut, and send
    states where sending kernels is less.
    """
    axes = jax.sharding.get_abstract_mesh().axis_names
    rows = tuple(axis for axis in BATCH_AXES if axis in axes)
    return jax.lax.with_sharding_constraint(x, P(rows)) if rows else x


def set_options(encoder: nnx.Module, options: EncoderOptions) -> None:
    """Let an encoder compute as the options say."""
    encoder.options = options
    for layer in encoder.layers:
        layer.attention = dataclasses.replace(
            layer.attention, implementation=options.attention
        )
        if options.matmul == "bfloat16":
            for _, module in nnx.iter_modules(layer):
                if isinstance(module, nnx.Linear):
                    module.dot_general = products.bfloat16


def repetition(kinds: Sequence[Any]) -> tuple[int, int, int]:
    """Return (start, period, turns) that leave the fewest kinds to compile.

    From start on, kinds repeat themselves after every period, turns times (0: never).
    """
    best, spared = (0, 1, 0), 0
    for start in range(min(_MAX_START, len(kinds))):
        for period in range(1, _MAX_PERIOD + 1):
            length = period
            while (
                start + length < len(kinds)
                and kinds[start + length] == kinds[start + length - period]
            ):
                length += 1
            turns = length // period
            if (turns - 1) * period > spared and start + period <= len(kinds):
                best, spared = (start, period, turns), (turns - 1) * period
    return best


def _apply(
    graph: nnx.GraphDef,
    state: nnx.State,
    key: Array | None,
    x: Array,
    mask: Array,
    shared: dict[str, Any],
) -> Array:
    rngs = None if key is None else nnx.Rngs(dropout=key)
    return by_rows(nnx.merge(graph, state)(x, mask, rngs=rngs, **shared))


_POLICIES = {
    "full": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}
