"""Decoders used as encoders in flax.nnx: Qwen3, Llama 3, Mistral, Gemma 2, Gemma 3 (text).

Yang et al. 2025 (arXiv 2505.09388); Grattafiori et al. 2024 (2407.21783); Jiang et al. 2023
(2310.06825); Gemma Team 2024 (2408.00118) and 2025 (2503.19786); EmbeddingGemma (2509.20354).
Pre-norm layers, rotary positions, gated feed-forward, grouped key and value heads; causal as
they were trained, or bidirectional. Only differences of positions count, so that padding may
stand before a text as well as behind it.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from optical_jax.models import decoder_fields, family, layers
from optical_jax.models.decoder_config import FAMILIES, DecoderConfig, LayerType
from optical_jax.models.encoder import Encoder


def _norm(
    config: DecoderConfig, width: int, *, axis: str | None = "embed", dtype: DTypeLike
) -> layers.RMSNorm:
    return layers.RMSNorm(
        width,
        epsilon=config.rms_norm_eps,
        offset=1.0 if config.traits.gemma else 0.0,
        axis=axis,
        dtype=dtype,
    )


class Embeddings(nnx.Module):
    """Word embeddings; Gemma's are multiplied by the square root of their width."""

    def __init__(self, config: DecoderConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        width = config.hidden_size
        self.scale = width**0.5 if config.traits.gemma else None
        self.word = layers.embed(
            config.vocab_size, width, ("vocab", "embed"), dtype=dtype, rngs=rngs
        )

    def __call__(self, ids: Int[Array, "b l"]) -> Float[Array, "b l d"]:
        """Embed ids."""
        x = self.word(ids)
        return x if self.scale is None else x * jnp.asarray(self.scale, x.dtype)


class Layer(nnx.Module):
    """Self-attention and gated feed-forward, each with residual and norms."""

    def __init__(
        self,
        config: DecoderConfig,
        kind: LayerType,
        *,
        dropout: float,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        width, mlp, head = config.hidden_size, config.intermediate_size, config.head_dim
        inner, groups = config.num_attention_heads * head, config.num_key_value_heads
        made = {"dtype": dtype, "rngs": rngs}
        biased, mlp_bias = config.attention_bias, config.mlp_bias
        self.config, self.kind = config, kind
        self.attention = config.attention(kind)
        self.activation = layers.ACTIVATIONS[config.hidden_act]
        self.attention_norm = _norm(config, width, dtype=dtype)
        self.query = layers.linear(
            width, inner, ("embed", "heads"), bias=biased, **made
        )
        self.key = layers.linear(
            width, groups * head, ("embed", "heads"), bias=biased, **made
        )
        self.value = layers.linear(
            width, groups * head, ("embed", "heads"), bias=biased, **made
        )
        self.out = layers.linear(inner, width, ("heads", "embed"), bias=biased, **made)
        if config.traits.qk_norm:
            self.query_norm = _norm(config, head, axis=None, dtype=dtype)
            self.key_norm = _norm(config, head, axis=None, dtype=dtype)
        self.mlp_norm = _norm(config, width, dtype=dtype)
        self.gate = layers.linear(width, mlp, ("embed", "mlp"), bias=mlp_bias, **made)
        self.up = layers.linear(width, mlp, ("embed", "mlp"), bias=mlp_bias, **made)
        self.down = layers.linear(mlp, width, ("mlp", "embed"), bias=mlp_bias, **made)
        if config.traits.gemma:
            self.after_attention_norm = _norm(config, width, dtype=dtype)
            self.after_mlp_norm = _norm(config, width, dtype=dtype)
        self.dropout = nnx.Dropout(dropout)

    def __call__(
        self,
        x: Float[Array, "b l d"],
        mask: Bool[Array, "b l"],
        *,
        rngs: nnx.Rngs | None = None,
    ) -> Float[Array, "b l d"]:
        """Apply the layer; tokens where mask is False are attended by no one."""
        drop = lambda t: self.dropout(t, deterministic=rngs is None, rngs=rngs)
        gemma = self.config.traits.gemma
        with jax.named_scope("attention"):
            hidden = self._attend(x, mask)
            x = x + drop(self.after_attention_norm(hidden) if gemma else hidden)
        with jax.named_scope("mlp"):
            hidden = self.mlp_norm(x)
            hidden = self.down(self.activation(self.gate(hidden)) * self.up(hidden))
            return x + drop(self.after_mlp_norm(hidden) if gemma else hidden)

    def _attend(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b l d"]:
        x = self.attention_norm(x)
        value = layers.heads(self.value(x), self.config.num_key_value_heads)
        attended = self.attention(*self._query_and_key(x), value, mask)
        return self.out(attended.reshape(*x.shape[:2], -1))

    def received(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b l"]:
        """Return the share of its text's attention that each token receives, of input x."""
        query, key = self._query_and_key(self.attention_norm(x))
        return self.attention.received(query, key, mask)

    def _query_and_key(
        self, x: Float[Array, "b l d"]
    ) -> tuple[Float[Array, "b l h k"], Float[Array, "b l g k"]]:
        config = self.config
        query = layers.heads(self.query(x), config.num_attention_heads)
        key = layers.heads(self.key(x), config.num_key_value_heads)
        if config.traits.qk_norm:
            query, key = self.query_norm(query), self.key_norm(key)
        angles = config.frequencies(self.kind)
        return layers.rotary(query, angles), layers.rotary(key, angles)


class Decoder(Encoder):
    """A decoder without its language head: token ids to the last hidden states."""

    def __init__(
        self,
        config: DecoderConfig,
        *,
        dropout: float = 0.0,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Build the parts."""
        made = {"dtype": dtype, "rngs": rngs}
        super().__init__(
            Embeddings(config, **made),
            [
                Layer(config, kind, dropout=dropout, **made)
                for kind in config.layer_types
            ],
            _norm(config, config.hidden_size, dtype=dtype),
            dropout=dropout,
        )


_ATTENTION = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "o_proj": "out"}
_MLP = {"gate_proj": "gate", "up_proj": "up", "down_proj": "down"}
_NORMS = {"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"}
# The same name stands for another place where sublayers are normalised behind too.
_GEMMA_NORMS = {
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "after_attention_norm",
    "pre_feedforward_layernorm": "mlp_norm",
    "post_feedforward_layernorm": "after_mlp_norm",
}


def key_table(config: DecoderConfig) -> family.KeyTable:
    """Return {tensor name: where it goes}."""
    traits = config.traits
    table = family.embedding("embed_tokens", ("embeddings", "word"))
    table |= family.norm("norm", ("final_norm",))
    for i in range(config.num_hidden_layers):
        start, path = f"layers.{i}.", ("layers", i)
        for theirs, ours in _ATTENTION.items():
            name = f"{start}self_attn.{theirs}"
            table |= family.linear(name, (*path, ours), bias=config.attention_bias)
        for theirs, ours in _MLP.items():
            name = f"{start}mlp.{theirs}"
            table |= family.linear(name, (*path, ours), bias=config.mlp_bias)
        for theirs, ours in (_GEMMA_NORMS if traits.gemma else _NORMS).items():
            table |= family.norm(start + theirs, (*path, ours))
        if traits.qk_norm:
            table |= family.norm(f"{start}self_attn.q_norm", (*path, "query_norm"))
            table |= family.norm(f"{start}self_attn.k_norm", (*path, "key_norm"))
    return table


DECODERS = {
    name: family.Family(
        config=DecoderConfig,
        module=Decoder,
        key_table=key_table,
        architecture=traits.architecture,
        prefixes=("model.",),
        unused=("lm_head.",),
        read_fields=decoder_fields.read_fields,
        write_fields=decoder_fields.write_fields,
        unwritten=decoder_fields.UNWRITTEN.get(name, ()),
    )
    for name, traits in FAMILIES.items()
}
