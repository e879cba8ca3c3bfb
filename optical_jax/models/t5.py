"""Encoders of T5, mT5 and UMT5: relative positions as a bias, RMS norms, no biases.

Raffel et al. 2020 (arXiv 1910.10683); Xue et al. 2021 (arXiv 2010.11934); Chung et al. 2023
(arXiv 2304.09151). The decoder of a checkpoint is left unread, and is not written.
"""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from optical_jax.models import family, layers
from optical_jax.models.attention import Attention
from optical_jax.models.encoder import Encoder
from optical_jax.models.relative_bias import RelativeBias


@dataclass(frozen=True, kw_only=True)
class T5Config:
    """Shape of an encoder; the field names are those of a Hugging Face config.json."""

    model_type: Literal["t5", "mt5", "umt5"] = "t5"
    vocab_size: int
    d_model: int
    d_kv: int
    d_ff: int
    num_layers: int
    num_heads: int
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    # An activation, or "gated-" and one; "gated-gelu" means tanh's approximation of it.
    feed_forward_proj: str = "relu"
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        """Check what would otherwise fail deep inside a layer."""
        layers.check_activation("feed_forward_proj, 'gated-' aside,", self.activation)
        farthest = self.relative_attention_max_distance
        if self.relative_attention_num_buckets < 4 or (
            farthest <= self.relative_attention_num_buckets // 4
        ):
            raise ValueError(
                "relative_attention_num_buckets must be at least 4 and less than 4 times "
                f"relative_attention_max_distance {farthest}, got "
                f"{self.relative_attention_num_buckets}; the config.json is damaged"
            )

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states."""
        return self.d_model

    @property
    def num_hidden_layers(self) -> int:
        """Number of layers."""
        return self.num_layers

    @property
    def max_length(self) -> int:
        """Relative positions set no limit; past max_distance they are all one bucket."""
        return 1 << 20

    @property
    def is_gated(self) -> bool:
        """Whether the feed-forward has a gate."""
        return self.feed_forward_proj.startswith("gated-")

    @property
    def activation(self) -> str:
        """Name of the feed-forward's activation."""
        name = self.feed_forward_proj.removeprefix("gated-")
        return "gelu_new" if self.is_gated and name == "gelu" else name


def _relative_bias(
    config: T5Config, *, dtype: DTypeLike, rngs: nnx.Rngs
) -> RelativeBias:
    return RelativeBias(
        config.num_heads,
        number=config.relative_attention_num_buckets,
        farthest=config.relative_attention_max_distance,
        dtype=dtype,
        rngs=rngs,
    )


class Layer(nnx.Module):
    """Self-attention and feed-forward, each with pre-norm and residual."""

    def __init__(
        self, config: T5Config, *, dropout: float, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        width, inner, mlp = config.d_model, config.num_heads * config.d_kv, config.d_ff
        made = {"bias": False, "dtype": dtype, "rngs": rngs}
        normed = {"epsilon": config.layer_norm_epsilon, "dtype": dtype}
        self.num_heads = config.num_heads
        self.activation = layers.ACTIVATIONS[config.activation]
        self.attention = Attention(scale=1.0)
        self.attention_norm = layers.RMSNorm(width, **normed)
        self.query = layers.linear(width, inner, ("embed", "heads"), **made)
        self.key = layers.linear(width, inner, ("embed", "heads"), **made)
        self.value = layers.linear(width, inner, ("embed", "heads"), **made)
        self.out = layers.linear(inner, width, ("heads", "embed"), **made)
        # In UMT5 every layer has its own, else the encoder has one for all.
        self.relative_bias = (
            _relative_bias(config, dtype=dtype, rngs=rngs)
            if config.model_type == "umt5"
            else None
        )
        self.mlp_norm = layers.RMSNorm(width, **normed)
        self.gate = (
            layers.linear(width, mlp, ("embed", "mlp"), **made)
            if config.is_gated
            else None
        )
        self.up = layers.linear(width, mlp, ("embed", "mlp"), **made)
        self.down = layers.linear(mlp, width, ("mlp", "embed"), **made)
        self.dropout = nnx.Dropout(dropout)

    def __call__(
        self,
        x: Float[Array, "b l d"],
        mask: Bool[Array, "b l"],
        *,
        bias: Float[Array, "1 h l l"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Float[Array, "b l d"]:
        """Apply the layer; tokens where mask is False are attended by no one."""
        drop = lambda t: self.dropout(t, deterministic=rngs is None, rngs=rngs)
        with jax.named_scope("attention"):
            normed = self.attention_norm(x)
            query, key, value = (
                layers.heads(part(normed), self.num_heads)
                for part in (self.query, self.key, self.value)
            )
            bias = self._bias(x.shape[1], bias)
            attended = self.attention(query, key, value, mask, bias)
            x = x + drop(self.out(attended.reshape(*x.shape[:2], -1)))
        with jax.named_scope("mlp"):
            normed = self.mlp_norm(x)
            if self.gate is None:
                hidden = self.activation(self.up(normed))
            else:
                hidden = self.activation(self.gate(normed)) * self.up(normed)
            return x + drop(self.down(drop(hidden)))

    def received(
        self,
        x: Float[Array, "b l d"],
        mask: Bool[Array, "b l"],
        *,
        bias: Float[Array, "1 h l l"] | None = None,
    ) -> Float[Array, "b l"]:
        """Return the share of its text's attention that each token receives, of input x."""
        normed = self.attention_norm(x)
        query = layers.heads(self.query(normed), self.num_heads)
        key = layers.heads(self.key(normed), self.num_heads)
        return self.attention.received(query, key, mask, self._bias(x.shape[1], bias))

    def _bias(
        self, length: int, bias: Float[Array, "1 h l l"] | None
    ) -> Float[Array, "1 h l l"]:
        return bias if self.relative_bias is None else self.relative_bias(length)


class Embeddings(nnx.Module):
    """Word embeddings as they are."""

    def __init__(self, config: T5Config, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.word = layers.embed(
            config.vocab_size,
            config.d_model,
            ("vocab", "embed"),
            dtype=dtype,
            rngs=rngs,
        )

    def __call__(self, ids: Int[Array, "b l"]) -> Float[Array, "b l d"]:
        """Embed ids."""
        return self.word(ids)


class T5(Encoder):
    """Encoder from token ids to the last layer's hidden states."""

    def __init__(
        self,
        config: T5Config,
        *,
        dropout: float = 0.0,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Build the parts."""
        made = {"dtype": dtype, "rngs": rngs}
        super().__init__(
            Embeddings(config, **made),
            [Layer(config, dropout=dropout, **made) for _ in range(config.num_layers)],
            layers.RMSNorm(
                config.d_model, epsilon=config.layer_norm_epsilon, dtype=dtype
            ),
            dropout=dropout,
        )
        self.relative_bias = (
            None if config.model_type == "umt5" else _relative_bias(config, **made)
        )

    def shared(self, length: int) -> dict[str, Array]:
        """Return the bias of all layers."""
        return (
            {} if self.relative_bias is None else {"bias": self.relative_bias(length)}
        )


def key_table(config: T5Config) -> family.KeyTable:
    """Return {tensor name: where it goes}."""
    table = family.embedding("shared", ("embeddings", "word"))
    own = config.model_type == "umt5"
    for i in range(config.num_layers):
        path = ("layers", i)
        attention, mlp = (f"encoder.block.{i}.layer.{part}." for part in (0, 1))
        for theirs, ours in zip("qkvo", ("query", "key", "value", "out"), strict=True):
            name = f"{attention}SelfAttention.{theirs}"
            table |= family.linear(name, (*path, ours))
        if own or i == 0:
            table |= family.embedding(
                f"{attention}SelfAttention.relative_attention_bias",
                (*(path if own else ()), "relative_bias", "table"),
            )
        table |= family.norm(f"{attention}layer_norm", (*path, "attention_norm"))
        names = {"wi_0": "gate", "wi_1": "up"} if config.is_gated else {"wi": "up"}
        for theirs, ours in (names | {"wo": "down"}).items():
            table |= family.linear(f"{mlp}DenseReluDense.{theirs}", (*path, ours))
        table |= family.norm(f"{mlp}layer_norm", (*path, "mlp_norm"))
    return table | family.norm("encoder.final_layer_norm", ("final_norm",))


def _read_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Fill in what transformers takes for granted."""
    usual = "relu" if fields["model_type"] == "t5" else "gated-gelu"
    return {"feed_forward_proj": usual, **fields}


def _family(architecture: str) -> family.Family:
    return family.Family(
        config=T5Config,
        module=T5,
        key_table=key_table,
        architecture=architecture,
        prefixes=("transformer.",),
        unused=("decoder.",),
        # One table under several names; which of them a file keeps differs.
        aliases={"encoder.embed_tokens.weight": "shared.weight"},
        read_fields=_read_fields,
    )


T5_FAMILY = _family("T5EncoderModel")
MT5_FAMILY = _family("MT5EncoderModel")
UMT5_FAMILY = _family("UMT5EncoderModel")
