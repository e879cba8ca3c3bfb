"""What the modules of all encoder families do alike: embed, go through layers, normalise."""

import jax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int


class Encoder(nnx.Module):
    """Token ids to the last layer's hidden states.

    A family's `__init__(config, *, dropout, dtype, rngs)` sets `embeddings` (ids -> states,
    its word table named `word`), `layers`, `final_norm` (or None) and `dropout`. A layer is
    called as `layer(x, mask, rngs=rngs, **shared)` and has `received(x, mask, **shared)`,
    the attention that each token gets (`Attention.received`).
    """

    embeddings: nnx.Module
    layers: nnx.List
    final_norm: nnx.Module | None
    dropout: nnx.Dropout

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
        shared = self.shared(ids.shape[1])
        return x, self.layers[-1].received(below, mask, **shared)

    def _states(
        self, ids: Int[Array, "b l"], mask: Bool[Array, "b l"], rngs: nnx.Rngs | None
    ) -> tuple[Float[Array, "b l d"], Float[Array, "b l d"]]:
        """Return what goes into the last layer, and what comes out of the encoder."""
        with jax.named_scope("embeddings"):
            x = self.embeddings(ids)
            x = self.dropout(x, deterministic=rngs is None, rngs=rngs)
        shared = self.shared(ids.shape[1])
        below = x
        for layer in self.layers:
            below, x = x, layer(x, mask, rngs=rngs, **shared)
        return below, x if self.final_norm is None else self.final_norm(x)
