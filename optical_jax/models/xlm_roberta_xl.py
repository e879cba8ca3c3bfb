"""XLM-R XL and XXL: XLM-R with the norms before attention and feed-forward, and one after.

Goyal et al. 2021 (arXiv 2105.00572).
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from optical_jax.models import bert, family, layers
from optical_jax.models.encoder import Encoder


class Layer(bert.Layer):
    """Self-attention and feed-forward, each with pre-norm and residual."""

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
            x = x + drop(self.attend(self.attention_norm(x), mask))
        with jax.named_scope("mlp"):
            hidden = self.activation(self.up(self.output_norm(x)))
            return x + drop(self.down(hidden))

    def received(
        self, x: Float[Array, "b l d"], mask: Bool[Array, "b l"]
    ) -> Float[Array, "b l"]:
        """Return the share of its text's attention that each token receives, of input x."""
        return super().received(self.attention_norm(x), mask)


class XlmRobertaXl(Encoder):
    """Encoder from token ids to the last layer's hidden states."""

    def __init__(
        self,
        config: bert.BertConfig,
        *,
        dropout: float = 0.0,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Build the parts."""
        made = {"dtype": dtype, "rngs": rngs}
        super().__init__(
            bert.Embeddings(config, normed=False, **made),
            [
                Layer(config, dropout=dropout, **made)
                for _ in range(config.num_hidden_layers)
            ],
            layers.layer_norm(
                config.hidden_size, epsilon=config.layer_norm_eps, **made
            ),
            dropout=dropout,
        )


_NORM = {
    "attention.self_attn_layer_norm": "attention_norm",
    "LayerNorm": "output_norm",
}


def key_table(config: bert.BertConfig) -> family.KeyTable:
    """Return {tensor name: where it goes}."""
    norm = family.norm("encoder.LayerNorm", ("final_norm",), bias=True)
    return bert.tables(config, _NORM) | norm


XLM_ROBERTA_XL = bert.make_family(
    "XLMRobertaXLModel", "roberta.", module=XlmRobertaXl, table=key_table
)
