"""A retriever: encoder, head, tokenizer and parameters; token ids to scored vectors."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from optical_jax.data import tokenize
from optical_jax.models import families, lora, stack
from optical_jax.models.families import EncoderConfig
from optical_jax.models.head import HeadConfig
from optical_jax.models.lora import NO_ADAPTERS, LoraConfig
from optical_jax.models.stack import PLAIN, EncoderOptions

# Parameters are placed by jit(out_shardings=...), never at construction.
nnx.use_eager_sharding(False)


class Weighed(NamedTuple):
    """Unit vectors, and two measures of how much each one matters to the encoder.

    Attributes:
        vectors: [b t p], float32.
        norm: [b t], the vectors' lengths before they became unit vectors.
        attention: [b t], the share of the text's attention that a token receives in the
            last layer; 1 for a vector of a whole text.
    """

    vectors: Float[Array, "b t p"]
    norm: Float[Array, "b t"]
    attention: Float[Array, "b t"]


class RetrievalModel(nnx.Module):
    """Encoder, projection where the head has one, pooling, L2 normalisation."""

    def __init__(
        self,
        encoder: EncoderConfig,
        head: HeadConfig,
        *,
        dropout: float = 0.0,
        dtype: DTypeLike = jnp.float32,
        options: EncoderOptions = PLAIN,
        adapters: LoraConfig = NO_ADAPTERS,
        rngs: nnx.Rngs,
    ):
        self.head = head
        self.encoder = families.of(encoder).module(
            encoder, dropout=dropout, dtype=dtype, rngs=rngs
        )
        stack.set_options(self.encoder, options)
        self.projection = (
            None
            if head.projection is None
            else nnx.Linear(
                encoder.hidden_size,
                head.projection,
                use_bias=head.projection_bias,
                dtype=dtype,
                kernel_init=nnx.initializers.normal(0.02),
                kernel_metadata={"out_sharding": ("embed", "projection")},
                bias_metadata={"out_sharding": ("projection",)},
                rngs=rngs,
            )
        )
        if adapters.rank:
            lora.attach(self, adapters, rngs=rngs)

    def __call__(
        self,
        ids: Int[Array, "b l"],
        mask: Bool[Array, "b l"],
        *,
        rngs: nnx.Rngs | None = None,
    ) -> Float[Array, "b t p"]:
        """Return unit vectors in float32: one a token, or one a text (t = 1).

        Vectors of tokens that are not scored are returned too; the caller masks them.
        """
        return self._unit(self.encoder(ids, mask, rngs=rngs), mask)[0]

    def weighed(
        self,
        ids: Int[Array, "b l"],
        mask: Bool[Array, "b l"],
        *,
        rngs: nnx.Rngs | None = None,
    ) -> Weighed:
        """Return what a call returns, and how much each vector matters to the encoder."""
        x, attention = self.encoder.with_attention(ids, mask, rngs=rngs)
        vectors, square = self._unit(x, mask)
        if self.head.kind == "single-vector":
            attention = jnp.ones(square.shape, jnp.float32)
        return Weighed(vectors, jnp.sqrt(square), attention)

    def _unit(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> tuple[Float[Array, "b t p"], Float[Array, "b t"]]:
        """Pool, project and normalise; squared norms come along."""
        if self.head.kind == "single-vector":
            x = self._pool(x, mask)
        if self.projection is not None:
            x = self.projection(x)
        x = x.astype(jnp.float32)
        square = jnp.maximum(jnp.sum(x * x, axis=-1, keepdims=True), 1e-24)
        return x * jax.lax.rsqrt(square), square[..., 0]

    def _pool(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b 1 d"]:
        if self.head.pooling == "cls":
            return x[:, :1]
        if self.head.pooling == "last":
            last = jnp.argmax(jnp.where(mask, jnp.arange(mask.shape[1]), -1), axis=1)
            return jnp.take_along_axis(x, last[:, None, None], axis=1)
        weights = mask.astype(jnp.float32)[..., None]
        total = jnp.sum(x.astype(jnp.float32) * weights, axis=1, keepdims=True)
        return total / jnp.maximum(weights.sum(axis=1, keepdims=True), 1e-9)


@dataclass(frozen=True)
class Architecture:
    """Encoder and head without parameters and tokenizer: all that shapes depend on."""

    encoder: EncoderConfig
    head: HeadConfig

    @property
    def width(self) -> int:
        """Width p of the vectors."""
        return self.head.projection or self.encoder.hidden_size


@dataclass(frozen=True)
class Retriever:
    """Everything that turns texts into vectors; params is a pytree of float32 arrays."""

    encoder: EncoderConfig
    head: HeadConfig
    text: tokenize.TextEncoder
    params: nnx.State
    dtype: Any = jnp.float32

    def vectors(
        self, params: nnx.State, ids: Int[Array, "b l"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b t p"]:
        """Encode a padded batch; pure, to be called inside jit with `self.params`."""
        graph = graphdef(self.encoder, self.head, dtype=self.dtype)
        return nnx.merge(graph, params)(ids, mask)

    @property
    def width(self) -> int:
        """Width p of the vectors."""
        return self.head.projection or self.encoder.hidden_size

    def with_params(self, params: nnx.State) -> "Retriever":
        """Return the same retriever with other parameters of the same shapes."""
        return dataclasses.replace(self, params=params)

    def with_head(self, head: HeadConfig) -> "Retriever":
        """Return the same weights under a head with other settings, not other widths."""
        text = tokenize.TextEncoder(
            self.text.tokenizer, head, special=self.text.special
        )
        return dataclasses.replace(self, head=head, text=text)


@functools.lru_cache(maxsize=32)
def graphdef(
    encoder: EncoderConfig,
    head: HeadConfig,
    *,
    dropout: float = 0.0,
    dtype: Any = jnp.float32,
    options: EncoderOptions = PLAIN,
    adapters: LoraConfig = NO_ADAPTERS,
) -> nnx.GraphDef:
    """Return the static part of the model, without making any parameter."""
    return nnx.graphdef(
        nnx.eval_shape(
            lambda: RetrievalModel(
                encoder,
                head,
                dropout=dropout,
                dtype=dtype,
                options=options,
                adapters=adapters,
                rngs=nnx.Rngs(0),
            )
        )
    )


@functools.lru_cache(maxsize=32)
def abstract_params(
    encoder: EncoderConfig, head: HeadConfig, adapters: LoraConfig = NO_ADAPTERS
) -> nnx.State:
    """Return shapes, dtypes and logical axes of every parameter; not to be changed."""
    make = lambda: RetrievalModel(encoder, head, adapters=adapters, rngs=nnx.Rngs(0))
    return nnx.state(nnx.eval_shape(make), nnx.Param)


def init_params(
    encoder: EncoderConfig,
    head: HeadConfig,
    *,
    key: jax.Array,
    adapters: LoraConfig = NO_ADAPTERS,
) -> nnx.State:
    """Return random parameters (normal, 0.02); pure, so that jit can place them."""
    model = RetrievalModel(encoder, head, adapters=adapters, rngs=nnx.Rngs(key))
    return nnx.state(model, nnx.Param)


def count(params: nnx.State) -> int:
    """Return the number of parameters."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))


def from_values(
    encoder: EncoderConfig, head: HeadConfig, values: dict[tuple, jax.Array]
) -> nnx.State:
    """Build parameters, logical axes included, of arrays by parameter path.

    Raises:
        ValueError: naming the paths that are missing, unknown or of another shape.
    """
    abstract = dict(nnx.to_flat_state(abstract_params(encoder, head)))
    wrong = sorted(
        "/".join(map(str, path))
        for path in abstract.keys() | values.keys()
        if path not in abstract
        or path not in values
        or abstract[path].shape != values[path].shape
    )
    if wrong:
        raise ValueError(f"parameters do not fit the model at {', '.join(wrong)}")
    return nnx.from_flat_state(
        {path: leaf.replace(values[path]) for path, leaf in abstract.items()}
    )
