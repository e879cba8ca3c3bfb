"""What the modules of all encoder families do alike: embed, go through layers, normalise."""

from collections.abc import Sequence

import jax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from optical_jax.models import stack
from optical_jax.models.stack import EncoderOptions


class Encoder(nnx.Module):
    """Token ids to the last layer's hidden states.

    A family is built by `module(config, *, dropout, dtype, rngs)`; parameters are float32,
    dtype is that of the computation, dropout applies to hidden states. A layer is called as
    `layer(x, mask, rngs=rngs, **shared)` and has `received(x, mask, **shared)`, the
    attention that each token gets (`Attention.received`).
    """

    options: EncoderOptions = stack.PLAIN

    def __init__(
        self,
        embeddings: nnx.Module,
        layers: Sequence[nnx.Module],
        final_norm: nnx.Module | None = None,
        *,
        dropout: float,
    ):
        """Put the parts together.

        Args:
            embeddings: ids -> states; its word table is named `word`.
            layers: from the first to the last.
            final_norm: of the last one's states; None: they stay as they are.
            dropout: of the embeddings.
        """
        self.embeddings = embeddings
        self.dropout = nnx.Dropout(dropout)
        self.layers = nnx.List(layers)
        self.final_norm = final_norm

    def shared(self, length: int) -> dict[str, Array]:
        """Return what is computed once and given to every layer."""
        del length
        return {}

    def __call__(
        self,
        ids: Int[Array, "b l"],
        mask: Bool[Array, "b l"],
        *,
        rngs: nnx.Rngs | None = None,
    ) -> Float[Array, "b l d"]:
        """Return hidden states; rngs with a "dropout" stream turns dropout on."""
        x, shared, keys = self._embedded(ids, rngs)
        return self._normed(self._through(slice(None), x, mask, shared, keys))

    def with_attention(
        self,
        ids: Int[Array, "b l"],
        mask: Bool[Array, "b l"],
        *,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b l d"], Float[Array, "b l"]]:
        """Return hidden states, and the attention that tokens receive in the last layer."""
        x, shared, keys = self._embedded(ids, rngs)
        below = self._through(slice(-1), x, mask, shared, keys)
        x = self._through(slice(-1, None), below, mask, shared, keys)
        return self._normed(x), self.layers[-1].received(below, mask, **shared)

    def _embedded(
        self, ids: Int[Array, "b l"], rngs: nnx.Rngs | None
    ) -> tuple[Float[Array, "b l d"], dict[str, Array], Array | None]:
        """Return what goes into the first layer, what all share, and a key for each."""
        with jax.named_scope("embeddings"):
            x = self.embeddings(ids)
            x = self.dropout(x, deterministic=rngs is None, rngs=rngs)
        keys = None
        if rngs is not None:
            keys = jax.random.split(rngs.dropout(), len(self.layers))
        return x, self.shared(ids.shape[1]), keys

    def _through(
        self,
        part: slice,
        x: Float[Array, "b l d"],
        mask: Bool[Array, "b l"],
        shared: dict[str, Array],
        keys: Array | None,
    ) -> Float[Array, "b l d"]:
        return stack.run(
            list(self.layers)[part],
            x,
            mask,
            shared,
            keys=None if keys is None else keys[part],
            options=self.options,
        )

    def _normed(self, x: Float[Array, "b l d"]) -> Float[Array, "b l d"]:
        return x if self.final_norm is None else self.final_norm(x)
