"""ModernBERT and mmBERT: rotary positions, local and global attention, gated feed-forward.

Warner et al. 2024 (arXiv 2412.13663); Marone et al. 2025 (arXiv 2509.06888). Padding changes
nothing: positions count from a row's start and no one attends to it.
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


@dataclass(frozen=True, kw_only=True)
class ModernBertConfig:
    """Shape of an encoder; the field names are those of a Hugging Face config.json."""

    model_type: Literal["modernbert"] = "modernbert"
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int = 8192
    hidden_activation: str = "gelu"
    norm_eps: float = 1e-5
    norm_bias: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    # Layer 0 and every n-th after it attend to all tokens, the others to a window.
    global_attn_every_n_layers: int = 3
    # Width of the window, half of it on each side.
    local_attention: int = 128
    global_rope_theta: float = 160_000.0
    local_rope_theta: float = 10_000.0
    pad_token_id: int = 50_283

    def __post_init__(self) -> None:
        """Check what would otherwise fail deep inside a layer."""
        layers.check_divides(
            "hidden_size",
            self.hidden_size,
            "2 * num_attention_heads",
            2 * self.num_attention_heads,
        )
        layers.check_activation("hidden_activation", self.hidden_activation)
        if self.global_attn_every_n_layers < 1:
            raise ValueError(
                "global_attn_every_n_layers must be at least 1, got "
                f"{self.global_attn_every_n_layers}; the config.json is damaged"
            )

    @property
    def max_length(self) -> int:
        """The longest input in tokens."""
        return self.max_position_embeddings

    def is_global(self, layer: int) -> bool:
        """Say whether a layer attends to all tokens."""
        return layer % self.global_attn_every_n_layers == 0


class Embeddings(nnx.Module):
    """Word embeddings, normalised."""

    def __init__(self, config: ModernBertConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        made = {"dtype": dtype, "rngs": rngs}
        self.word = layers.embed(
            config.vocab_size, config.hidden_size, ("vocab", "embed"), **made
        )
        self.norm = _norm(config, **made)

    def __call__(self, ids: Int[Array, "b l"]) -> Float[Array, "b l d"]:
        """Embed ids."""
        return self.norm(self.word(ids))


def _norm(
    config: ModernBertConfig, *, dtype: DTypeLike, rngs: nnx.Rngs
) -> nnx.LayerNorm:
    return layers.layer_norm(
        config.hidden_size,
        epsilon=config.norm_eps,
        bias=config.norm_bias,
        dtype=dtype,
        rngs=rngs,
    )


class Layer(nnx.Module):
    """Self-attention and gated feed-forward, each with pre-norm and residual."""

    def __init__(
        self,
        config: ModernBertConfig,
        index: int,
        *,
        dropout: float,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        width, mlp = config.hidden_size, config.intermediate_size
        made = {"dtype": dtype, "rngs": rngs}
        attends = {"bias": config.attention_bias, **made}
        feeds = {"bias": config.mlp_bias, **made}
        half = config.local_attention // 2
        is_global = config.is_global(index)
        self.num_heads = config.num_attention_heads
        self.activation = layers.ACTIVATIONS[config.hidden_activation]
        self.attention = Attention(window=None if is_global else (half, half))
        self.theta = config.global_rope_theta if is_global else config.local_rope_theta
        # The embeddings' norm is that of layer 0.
        self.attention_norm = None if index == 0 else _norm(config, **made)
        self.query = layers.linear(width, width, ("embed", "heads"), **attends)
        self.key = layers.linear(width, width, ("embed", "heads"), **attends)
        self.value = layers.linear(width, width, ("embed", "heads"), **attends)
        self.out = layers.linear(width, width, ("heads", "embed"), **attends)
        self.mlp_norm = _norm(config, **made)
        self.gate = layers.linear(width, mlp, ("embed", "mlp"), **feeds)
        self.up = layers.linear(width, mlp, ("embed", "mlp"), **feeds)
        self.down = layers.linear(mlp, width, ("mlp", "embed"), **feeds)
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
        with jax.named_scope("attention"):
            normed = self._normed(x)
            value = layers.heads(self.value(normed), self.num_heads)
            attended = self.attention(*self._query_and_key(normed), value, mask)
            x = x + drop(self.out(attended.reshape(x.shape)))
        with jax.named_scope("mlp"):
            normed = self.mlp_norm(x)
            hidden = self.activation(self.gate(normed)) * self.up(normed)
            return x + drop(self.down(hidden))

    def received(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b l"]:
        """Return the share of its text's attention that each token receives, of input x."""
        return self.attention.received(*self._query_and_key(self._normed(x)), mask)

    def _normed(self, x: Float[Array, "b l d"]) -> Float[Array, "b l d"]:
        return x if self.attention_norm is None else self.attention_norm(x)

    def _query_and_key(
        self, x: Float[Array, "b l d"]
    ) -> tuple[Float[Array, "b l h k"], Float[Array, "b l h k"]]:
        frequencies = layers.rotary_frequencies(
            x.shape[-1] // self.num_heads, self.theta
        )
        turn = lambda t: layers.rotary(layers.heads(t, self.num_heads), frequencies)
        return turn(self.query(x)), turn(self.key(x))


class ModernBert(Encoder):
    """Encoder from token ids to the last layer's hidden states."""

    def __init__(
        self,
        config: ModernBertConfig,
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
                Layer(config, i, dropout=dropout, **made)
                for i in range(config.num_hidden_layers)
            ],
            _norm(config, **made),
            dropout=dropout,
        )


def key_table(config: ModernBertConfig) -> family.KeyTable:
    """Return {tensor name: where it goes}."""
    normed = {"bias": config.norm_bias}
    attends, feeds = {"bias": config.attention_bias}, {"bias": config.mlp_bias}
    table = family.embedding("embeddings.tok_embeddings", ("embeddings", "word"))
    table |= family.norm("embeddings.norm", ("embeddings", "norm"), **normed)
    for i in range(config.num_hidden_layers):
        name, path = f"layers.{i}", ("layers", i)
        if i > 0:
            table |= family.norm(
                f"{name}.attn_norm", (*path, "attention_norm"), **normed
            )
        fused = [(*path, ours) for ours in ("query", "key", "value")]
        table |= family.linear(f"{name}.attn.Wqkv", *fused, **attends)
        table |= family.linear(f"{name}.attn.Wo", (*path, "out"), **attends)
        table |= family.norm(f"{name}.mlp_norm", (*path, "mlp_norm"), **normed)
        fused = [(*path, ours) for ours in ("gate", "up")]
        table |= family.linear(f"{name}.mlp.Wi", *fused, **feeds)
        table |= family.linear(f"{name}.mlp.Wo", (*path, "down"), **feeds)
    return table | family.norm("final_norm", ("final_norm",), **normed)


def _read_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Read the spellings of transformers before 5 and since."""
    fields = dict(fields)
    kinds = fields.get("layer_types")
    if kinds is not None:
        fields["global_attn_every_n_layers"] = _period(kinds)
    for kind, ours in (
        ("full_attention", "global_rope_theta"),
        ("sliding_attention", "local_rope_theta"),
    ):
        rotary = (fields.get("rope_parameters") or {}).get(kind) or {}
        if rotary.get("rope_type", "default") != "default":
            raise ValueError(
                f"rope_parameters of {kind} must have the rope_type 'default', got "
                f"{rotary['rope_type']!r}; scaled rotary positions are not computed here"
            )
        if "rope_theta" in rotary:
            fields[ours] = rotary["rope_theta"]
    if "local_rope_theta" in fields and fields["local_rope_theta"] is None:
        fields["local_rope_theta"] = fields.get("global_rope_theta")
    return fields


def _period(kinds: list[str]) -> int:
    ends = [i for i, kind in enumerate(kinds) if kind == "full_attention" and i > 0]
    period = ends[0] if ends else max(len(kinds), 1)
    wanted = [
        "sliding_attention" if i % period else "full_attention"
        for i in range(len(kinds))
    ]
    if kinds != wanted:
        raise ValueError(
            "layer_types must be 'full_attention' in layer 0 and every n-th after it and "
            f"'sliding_attention' elsewhere, got {kinds}; other patterns are not computed"
        )
    return period


MODERNBERT = family.Family(
    config=ModernBertConfig,
    module=ModernBert,
    key_table=key_table,
    architecture="ModernBertModel",
    prefixes=("model.",),
    unused=("head.", "decoder."),
    accepted={"rope_scaling": (None,)},
    read_fields=_read_fields,
)
