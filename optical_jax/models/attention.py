"""Attention of every family, by `jax.nn.dot_product_attention` where it computes it.

Padding, causal and sliding-window masks, a bias, grouped key and value heads. A soft cap
on logits (Gemma 2, arXiv 2408.00118) is written out: the fused kernels have none.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


@dataclass(frozen=True, kw_only=True)
class Attention:
    """How the tokens of one layer attend to each other.

    Attributes:
        scale: of the logits; None: one over the square root of the heads' width.
        causal: whether a token sees only itself and what is before it.
        window: how many tokens one sees to its left and to its right; None: all.
        softcap: logits become softcap * tanh(logits / softcap); None: they stay.
        implementation: "cudnn" is cuDNN's flash attention; "auto" takes it where it runs.
    """

    scale: float | None = None
    causal: bool = False
    window: tuple[int, int] | None = None
    softcap: float | None = None
    implementation: Literal["auto", "xla", "cudnn"] = "auto"

    def __call__(
        self,
        query: Float[Array, "b l h k"],
        key: Float[Array, "b l g k"],
        value: Float[Array, "b l g k"],
        mask: Bool[Array, "b l"],
        bias: Float[Array, "1 h l l"] | None = None,
    ) -> Float[Array, "b l h k"]:
        """Attend; no one sees tokens where mask is False. g divides h."""
        if self._by_cudnn(query):
            # It takes a mask of all places, or its own patterns without padding.
            seen = mask[:, None, None, :] & self._pattern(mask.shape[1])
            if bias is not None:
                bias = bias.astype(query.dtype)
            return jax.nn.dot_product_attention(
                query, key, value, bias, seen, scale=self.scale, implementation="cudnn"
            )
        if self.softcap is None:
            return jax.nn.dot_product_attention(
                query,
                key,
                value,
                bias,
                mask[:, None, None, :],
                scale=self.scale,
                is_causal=self.causal,
                local_window_size=self.window,
            )
        weights = self.weights(query, key, mask, bias).astype(value.dtype)
        value = jnp.repeat(value, query.shape[2] // value.shape[2], axis=2)
        return jnp.einsum("bhqk,bkhd->bqhd", weights, value)

    def weights(
        self,
        query: Float[Array, "b l h k"],
        key: Float[Array, "b l g k"],
        mask: Bool[Array, "b l"],
        bias: Float[Array, "1 h l l"] | None = None,
    ) -> Float[Array, "b h l l"]:
        """Return how much each token (rows) attends to each, float32; rows sum to 1."""
        key = jnp.repeat(key, query.shape[2] // key.shape[2], axis=2)
        logits = jnp.einsum(
            "bqhd,bkhd->bhqk", query, key, preferred_element_type=jnp.float32
        )
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        logits = logits * scale + (0.0 if bias is None else bias.astype(jnp.float32))
        if self.softcap is not None:
            logits = self.softcap * jnp.tanh(logits / self.softcap)
        seen = mask[:, None, None, :] & self._pattern(mask.shape[1])
        # Finite, so that a row that sees nothing is even and not NaN.
        return jax.nn.softmax(jnp.where(seen, logits, -1e30), axis=-1)

    def received(
        self,
        query: Float[Array, "b l h k"],
        key: Float[Array, "b l g k"],
        mask: Bool[Array, "b l"],
        bias: Float[Array, "1 h l l"] | None = None,
    ) -> Float[Array, "b l"]:
        """Return the share of its text's attention that each token receives.

        Means over heads and over the tokens where mask is True; sums to 1 over these.
        """
        real = mask.astype(jnp.float32)
        weights = self.weights(query, key, mask, bias).mean(axis=1)
        total = jnp.einsum("bqk,bq->bk", weights, real)
        return total * real / jnp.maximum(real.sum(axis=1, keepdims=True), 1.0)

    def _by_cudnn(self, query: Float[Array, "b l h k"]) -> bool:
        if self.implementation == "xla":
            return False
        needs = {
            "an NVIDIA GPU": "cuda" in jax.local_devices()[0].client.platform_version,
            "bfloat16": query.dtype == jnp.bfloat16,
            "heads of a multiple of 8 and at most 128": (
                query.shape[-1] % 8 == 0 and query.shape[-1] <= 128
            ),
            "padded lengths that are even": query.shape[1] % 2 == 0,
            "logits without a soft cap": self.softcap is None,
        }
        lacking = [need for need, holds in needs.items() if not holds]
        if lacking and self.implementation == "cudnn":
            raise ValueError(
                f"attention 'cudnn' needs {', '.join(lacking)}; say 'auto', which takes "
                "XLA's there"
            )
        return not lacking

    def _pattern(self, length: int) -> Bool[Array, "l l"]:
        """Return which places (columns) a place (rows) sees, padding aside."""
        place = jnp.arange(length)
        ahead = place[None, :] - place[:, None]
        left, right = (length, length) if self.window is None else self.window
        right = 0 if self.causal else right
        return (ahead >= -left) & (ahead <= right)
