"""The BERT family (BERT, MiniLM, mBERT, XLM-R) in flax.nnx: token ids to hidden states.

Devlin et al. 2019 (arXiv 1810.04805); Conneau et al. 2020 (arXiv 1911.02116). Post-norm
layers, learned absolute positions. Every parameter carries logical axis names; no module
here knows of a mesh. Weights of Hugging Face folders are read by `models.hf`.
"""

import functools
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

_ACTIVATIONS = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_new": functools.partial(jax.nn.gelu, approximate=True),
    "gelu_pytorch_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
}


@dataclass(frozen=True, kw_only=True)
class BertConfig:
    """Shape of an encoder; the field names are those of a Hugging Face config.json."""

    model_type: Literal["bert", "xlm-roberta"] = "bert"
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        """Check what would otherwise fail deep inside a layer."""
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size must be divisible by num_attention_heads, got "
                f"{self.hidden_size} and {self.num_attention_heads}"
            )
        if self.hidden_act not in _ACTIVATIONS:
            raise ValueError(
                f"hidden_act must be one of {sorted(_ACTIVATIONS)}, "
                f"got {self.hidden_act!r}"
            )

    @property
    def max_length(self) -> int:
        """The longest input in tokens; XLM-R leaves pad_token_id + 1 positions unused."""
        if self.model_type == "xlm-roberta":
            return self.max_position_embeddings - self.pad_token_id - 1
        return self.max_position_embeddings


def _linear(
    n_in: int, n_out: int, axes: tuple[str, str], dtype: DTypeLike, rngs: nnx.Rngs
) -> nnx.Linear:
    return nnx.Linear(
        n_in,
        n_out,
        dtype=dtype,
        kernel_init=nnx.initializers.normal(0.02),
        kernel_metadata={"out_sharding": axes},
        bias_metadata={"out_sharding": axes[1:]},
        rngs=rngs,
    )


def _layer_norm(config: BertConfig, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.LayerNorm:
    return nnx.LayerNorm(
        config.hidden_size,
        epsilon=config.layer_norm_eps,
        dtype=dtype,
        # E[x^2] - E[x]^2 loses digits where the mean is large against the spread.
        use_fast_variance=False,
        scale_metadata={"out_sharding": ("embed",)},
        bias_metadata={"out_sharding": ("embed",)},
        rngs=rngs,
    )


def _embed(
    rows: int, width: int, axis: str | None, dtype: DTypeLike, rngs: nnx.Rngs
) -> nnx.Embed:
    return nnx.Embed(
        rows,
        width,
        dtype=dtype,
        embedding_init=nnx.initializers.normal(0.02),
        embedding_metadata={"out_sharding": (axis, "embed")},
        rngs=rngs,
    )


class Embeddings(nnx.Module):
    """Sum of word, position and token-type embeddings, normalised."""

    def __init__(self, config: BertConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        width = config.hidden_size
        self.config = config
        self.word = _embed(config.vocab_size, width, "vocab", dtype, rngs)
        self.position = _embed(config.max_position_embeddings, width, None, dtype, rngs)
        self.token_type = _embed(config.type_vocab_size, width, None, dtype, rngs)
        self.norm = _layer_norm(config, dtype, rngs)

    def __call__(self, ids: Int[Array, "b l"]) -> Float[Array, "b l d"]:
        """Embed ids; the token type is 0 everywhere."""
        if self.config.model_type == "xlm-roberta":
            # Positions count the tokens that are not padding, from pad_token_id + 1 on.
            real = (ids != self.config.pad_token_id).astype(jnp.int32)
            positions = self.position(
                jnp.cumsum(real, axis=1) * real + self.config.pad_token_id
            )
        else:
            positions = self.position(jnp.arange(ids.shape[1]))[None]
        token_type = self.token_type(jnp.zeros((1, 1), jnp.int32))
        return self.norm(self.word(ids) + positions + token_type)


class Layer(nnx.Module):
    """Self-attention and feed-forward, each with residual and post-norm."""

    def __init__(
        self, config: BertConfig, *, dropout: float, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        width, mlp = config.hidden_size, config.intermediate_size
        self.num_heads = config.num_attention_heads
        self.activation = _ACTIVATIONS[config.hidden_act]
        self.query = _linear(width, width, ("embed", "heads"), dtype, rngs)
        self.key = _linear(width, width, ("embed", "heads"), dtype, rngs)
        self.value = _linear(width, width, ("embed", "heads"), dtype, rngs)
        self.out = _linear(width, width, ("heads", "embed"), dtype, rngs)
        self.attention_norm = _layer_norm(config, dtype, rngs)
        self.up = _linear(width, mlp, ("embed", "mlp"), dtype, rngs)
        self.down = _linear(mlp, width, ("mlp", "embed"), dtype, rngs)
        self.output_norm = _layer_norm(config, dtype, rngs)
        self.dropout = nnx.Dropout(dropout)

    def __call__(
        self,
        x: Float[Array, "b l d"],
        mask: Bool[Array, "b l"],
        *,
        rngs: nnx.Rngs | None = None,
    ) -> Float[Array, "b l d"]:
        """Apply the layer; tokens where mask is False are attended by no one."""
        with jax.named_scope("attention"):
            x = self.attention_norm(x + self._drop(self._attend(x, mask), rngs))
        with jax.named_scope("mlp"):
            hidden = self.down(self.activation(self.up(x)))
            return self.output_norm(x + self._drop(hidden, rngs))

    def _attend(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b l d"]:
        split = lambda t: t.reshape(*t.shape[:2], self.num_heads, -1)
        attended = jax.nn.dot_product_attention(
            split(self.query(x)),
            split(self.key(x)),
            split(self.value(x)),
            mask=mask[:, None, None, :],
        )
        return self.out(attended.reshape(x.shape))

    def received(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b l"]:
        """Return the share of its text's attention that each token receives, of input x.

        Means over heads and over the tokens where mask is True; sums to 1 over these.
        """
        split = lambda t: t.reshape(*t.shape[:2], self.num_heads, -1)
        query, key = split(self.query(x)), split(self.key(x))
        logits = jnp.einsum("bqhd,bkhd->bhqk", query, key).astype(jnp.float32)
        logits = logits * query.shape[-1] ** -0.5
        # Finite, so that a row of padding only is even and not NaN.
        logits = jnp.where(mask[:, None, None], logits, -1e30)
        real = mask.astype(jnp.float32)
        weights = jax.nn.softmax(logits, axis=-1).mean(axis=1)
        total = jnp.einsum("bqk,bq->bk", weights, real)
        return total * real / jnp.maximum(real.sum(axis=1, keepdims=True), 1.0)

    def _drop(self, x: Float[Array, "..."], rngs: nnx.Rngs | None):  # noqa: ANN202
        return self.dropout(x, deterministic=rngs is None, rngs=rngs)


class Bert(nnx.Module):
    """Encoder from token ids to the last layer's hidden states."""

    def __init__(
        self,
        config: BertConfig,
        *,
        dropout: float = 0.0,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Build the layers; parameters are float32, dtype is that of the computation.

        dropout applies to hidden states, not to attention weights.
        """
        self.embeddings = Embeddings(config, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)
        self.layers = nnx.List(
            Layer(config, dropout=dropout, dtype=dtype, rngs=rngs)
            for _ in range(config.num_hidden_layers)
        )

    def __call__(
        self,
        ids: Int[Array, "b l"],
        mask: Bool[Array, "b l"],
        *,
        rngs: nnx.Rngs | None = None,
    ) -> Float[Array, "b l d"]:
        """Return hidden states; rngs with a "dropout" stream turns dropout on."""
        return self._states(ids, mask, rngs)[1]

    def with_attention(
        self,
        ids: Int[Array, "b l"],
        mask: Bool[Array, "b l"],
        *,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b l d"], Float[Array, "b l"]]:
        """Return hidden states, and the attention that tokens receive in the last layer."""
        below, x = self._states(ids, mask, rngs)
        return x, self.layers[-1].received(below, mask)

    def _states(
        self, ids: Int[Array, "b l"], mask: Bool[Array, "b l"], rngs: nnx.Rngs | None
    ) -> tuple[Float[Array, "b l d"], Float[Array, "b l d"]]:
        """Return what goes into the last layer, and what comes out."""
        with jax.named_scope("embeddings"):
            x = self.embeddings(ids)
            x = self.dropout(x, deterministic=rngs is None, rngs=rngs)
        below = x
        for layer in self.layers:
            below, x = x, layer(x, mask, rngs=rngs)
        return below, x
