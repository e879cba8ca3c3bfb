"""The BERT family (BERT, MiniLM, mBERT, XLM-R) in flax.nnx: token ids to hidden states.

Devlin et al. 2019 (arXiv 1810.04805); Conneau et al. 2020 (arXiv 1911.02116). Post-norm
layers, learned absolute positions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from optical_jax.models import family, layers
from optical_jax.models.attention import Attention
from optical_jax.models.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class BertConfig:
    """Shape of an encoder; the field names are those of a Hugging Face config.json."""

    model_type: Literal["bert", "xlm-roberta", "xlm-roberta-xl"] = "bert"
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
        layers.check_divides(
            "hidden_size",
            self.hidden_size,
            "num_attention_heads",
            self.num_attention_heads,
        )
        layers.check_activation("hidden_act", self.hidden_act)

    @property
    def first_position(self) -> int:
        """Row of the position table of a text's first token."""
        return 0 if self.model_type == "bert" else self.pad_token_id + 1

    @property
    def max_length(self) -> int:
        """The longest input in tokens; XLM-R leaves pad_token_id + 1 positions unused."""
        return self.max_position_embeddings - self.first_position


class Embeddings(nnx.Module):
    """Sum of word, position and token-type embeddings, normalised or not."""

    def __init__(
        self,
        config: BertConfig,
        *,
        normed: bool = True,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        width, made = config.hidden_size, {"dtype": dtype, "rngs": rngs}
        self.config = config
        self.word = layers.embed(config.vocab_size, width, ("vocab", "embed"), **made)
        self.position = layers.embed(
            config.max_position_embeddings, width, (None, "embed"), **made
        )
        self.token_type = layers.embed(
            config.type_vocab_size, width, (None, "embed"), **made
        )
        self.norm = (
            layers.layer_norm(width, epsilon=config.layer_norm_eps, **made)
            if normed
            else None
        )

    def __call__(self, ids: Int[Array, "b l"]) -> Float[Array, "b l d"]:
        """Embed ids; the token type is 0 everywhere."""
        token_type = self.token_type(jnp.zeros((1, 1), jnp.int32))
        x = self.word(ids) + self.position(self._places(ids)) + token_type
        return x if self.norm is None else self.norm(x)

    def _places(self, ids: Int[Array, "b l"]) -> Int[Array, "c l"]:
        if self.config.first_position == 0:
            return jnp.arange(ids.shape[1])[None]
        return positions(ids, self.config.pad_token_id)


def positions(ids: Int[Array, "b l"], pad_id: int) -> Int[Array, "b l"]:
    """Return XLM-R's positions: they count tokens that are not padding from pad_id + 1."""
    real = (ids != pad_id).astype(jnp.int32)
    return jnp.cumsum(real, axis=1) * real + pad_id


class Layer(nnx.Module):
    """Self-attention and feed-forward, each with residual and post-norm."""

    def __init__(
        self, config: BertConfig, *, dropout: float, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        width, mlp = config.hidden_size, config.intermediate_size
        made = {"dtype": dtype, "rngs": rngs}
        normed = {"epsilon": config.layer_norm_eps, **made}
        self.num_heads = config.num_attention_heads
        self.activation = layers.ACTIVATIONS[config.hidden_act]
        self.attention = Attention()
        self.query = layers.linear(width, width, ("embed", "heads"), **made)
        self.key = layers.linear(width, width, ("embed", "heads"), **made)
        self.value = layers.linear(width, width, ("embed", "heads"), **made)
        self.out = layers.linear(width, width, ("heads", "embed"), **made)
        self.attention_norm = layers.layer_norm(width, **normed)
        self.up = layers.linear(width, mlp, ("embed", "mlp"), **made)
        self.down = layers.linear(mlp, width, ("mlp", "embed"), **made)
        self.output_norm = layers.layer_norm(width, **normed)
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
            x = self.attention_norm(x + drop(self.attend(x, mask)))
        with jax.named_scope("mlp"):
            hidden = self.down(self.activation(self.up(x)))
            return self.output_norm(x + drop(hidden))

    def attend(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b l d"]:
        """Return what attention adds to the residual stream, of its input x."""
        value = layers.heads(self.value(x), self.num_heads)
        attended = self.attention(*self._query_and_key(x), value, mask)
        return self.out(attended.reshape(x.shape))

    def received(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b l"]:
        """Return the share of its text's attention that each token receives, of input x."""
        return self.attention.received(*self._query_and_key(x), mask)

    def _query_and_key(
        self, x: Float[Array, "b l d"]
    ) -> tuple[Float[Array, "b l h k"], Float[Array, "b l h k"]]:
        split = lambda t: layers.heads(t, self.num_heads)
        return split(self.query(x)), split(self.key(x))


class Bert(Encoder):
    """Encoder from token ids to the last layer's hidden states."""

    def __init__(
        self,
        config: BertConfig,
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
                Layer(config, dropout=dropout, **made)
                for _ in range(config.num_hidden_layers)
            ],
            dropout=dropout,
        )


_LINEAR = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "out",
    "intermediate.dense": "up",
    "output.dense": "down",
}
_NORM = {
    "attention.output.LayerNorm": "attention_norm",
    "output.LayerNorm": "output_norm",
}


def key_table(config: BertConfig) -> family.KeyTable:
    """Return {tensor name: where it goes}."""
    norm = family.norm("embeddings.LayerNorm", ("embeddings", "norm"), bias=True)
    return norm | tables(config, _NORM)


def tables(config: BertConfig, norms: dict[str, str]) -> family.KeyTable:
    """Return the embedding tables and the layers, whose norms are named like this."""
    table: family.KeyTable = {}
    for ours in ("word", "position", "token_type"):
        name = f"embeddings.{ours}_embeddings"
        table |= family.embedding(name, ("embeddings", ours))
    for i in range(config.num_hidden_layers):
        start, path = f"encoder.layer.{i}.", ("layers", i)
        for theirs, ours in _LINEAR.items():
            table |= family.linear(start + theirs, (*path, ours), bias=True)
        for theirs, ours in norms.items():
            table |= family.norm(start + theirs, (*path, ours), bias=True)
    return table


def make_family(
    architecture: str,
    prefix: str,
    *,
    module: type[Encoder] = Bert,
    table: Callable[[BertConfig], family.KeyTable] = key_table,
) -> family.Family:
    """Return a family of this config."""
    return family.Family(
        config=BertConfig,
        module=module,
        key_table=table,
        architecture=architecture,
        prefixes=("model.", prefix),
        unused=("pooler.", "cls.", "embeddings.position_ids"),
        spellings=(
            ("LayerNorm.gamma", "LayerNorm.weight"),
            ("LayerNorm.beta", "LayerNorm.bias"),
        ),
        accepted={"position_embedding_type": ("absolute",)},
    )


BERT = make_family("BertModel", "bert.")
XLM_ROBERTA = make_family("XLMRobertaModel", "roberta.")
