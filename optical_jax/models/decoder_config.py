"""Shape of a decoder used as an encoder: sizes, which layers slide, how heads rotate."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from optical_jax.models import layers
from optical_jax.models.attention import Attention

DecoderType = Literal["qwen3", "llama", "mistral", "gemma2", "gemma3_text"]
LayerType = Literal["full_attention", "sliding_attention"]


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What sets a family apart beyond its sizes."""

    architecture: str
    # Queries and keys are normalised in each head before they are rotated.
    qk_norm: bool = False
    # Norms multiply by 1 + weight, sublayers are normalised behind as well as before, and
    # embeddings are multiplied by the square root of their width.
    gemma: bool = False
    # What transformers takes for fields that a config.json leaves out.
    defaults: tuple[tuple[str, Any], ...] = ()


_GEMMA = (
    ("head_dim", 256),
    ("num_key_value_heads", 4),
    ("query_pre_attn_scalar", 256),
    ("sliding_window", 4096),
)
FAMILIES: dict[str, Traits] = {
    "qwen3": Traits(
        architecture="Qwen3Model", qk_norm=True, defaults=(("head_dim", 128),)
    ),
    "llama": Traits(architecture="LlamaModel"),
    "mistral": Traits(
        architecture="MistralModel",
        defaults=(("num_key_value_heads", 8), ("sliding_window", 4096)),
    ),
    "gemma2": Traits(
        architecture="Gemma2Model",
        gemma=True,
        defaults=(*_GEMMA, ("attn_logit_softcapping", 50.0)),
    ),
    "gemma3_text": Traits(
        architecture="Gemma3TextModel", qk_norm=True, gemma=True, defaults=_GEMMA
    ),
}


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """How rotary frequencies are stretched for inputs longer than those of pre-training.

    "linear" divides all by factor; "llama3" only those of long waves (Llama 3.1).
    """

    rope_type: Literal["linear", "llama3"]
    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192

    def apply(self, frequencies: np.ndarray) -> np.ndarray:
        """Return stretched frequencies: `_compute_llama3_parameters` of transformers."""
        slow = frequencies / self.factor
        if self.rope_type == "linear":
            return slow
        turns = self.original_max_position_embeddings * frequencies / (2 * np.pi)
        low, high = self.low_freq_factor, self.high_freq_factor
        # 0 where fewer than `low` turns fit the old context, 1 where more than `high` do.
        share = np.clip((turns - low) / (high - low), 0.0, 1.0)
        return (share * frequencies + (1 - share) * slow).astype(np.float32)

    def fields(self) -> dict[str, Any]:
        """Return the entries of a config.json that the type has."""
        fields = dataclasses.asdict(self)
        if self.rope_type == "linear":
            return {k: fields[k] for k in ("rope_type", "factor")}
        return fields


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Shape of a decoder; the field names are those of a Hugging Face config.json."""

    model_type: DecoderType
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    max_position_embeddings: int
    # One for each layer.
    layer_types: tuple[LayerType, ...]
    # Tokens that a causal sliding layer sees, itself included.
    sliding_window: int | None = None
    rms_norm_eps: float = 1e-6
    hidden_act: str = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    # The theta of sliding layers, whose frequencies are not scaled; None: as everywhere.
    rope_local_base_freq: float | None = None
    # Scores are divided by its square root; None: head_dim.
    query_pre_attn_scalar: float | None = None
    # Scores s become c * tanh(s / c).
    attn_logit_softcapping: float | None = None
    use_bidirectional_attention: bool = False
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        """Check what would otherwise fail deep inside a layer."""
        layers.check_divides(
            "num_attention_heads",
            self.num_attention_heads,
            "num_key_value_heads",
            self.num_key_value_heads,
        )
        layers.check_activation("hidden_act", self.hidden_act)
        if self.head_dim % 2:
            raise ValueError(
                f"head_dim must be even to be rotated, got {self.head_dim}"
            )
        if len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(
                f"layer_types must name a type for each of the {self.num_hidden_layers} "
                f"layers, got {len(self.layer_types)}"
            )
        if self.slides and (self.sliding_window is None or self.sliding_window < 1):
            raise ValueError(
                f"sliding_window must be at least 1 where layers slide, got "
                f"{self.sliding_window}"
            )

    @property
    def traits(self) -> Traits:
        """What sets the family apart."""
        return FAMILIES[self.model_type]

    @property
    def slides(self) -> bool:
        """Whether any layer has a sliding window."""
        return "sliding_attention" in self.layer_types

    @property
    def max_length(self) -> int:
        """The longest input in tokens."""
        return self.max_position_embeddings

    def attention(self, kind: LayerType) -> Attention:
        """Return how the tokens of a layer of this type attend to each other.

        Without causality a window holds as many tokens after as before: half of Gemma 3's
        on each side, all of another family's, as in transformers.
        """
        causal, window = not self.use_bidirectional_attention, None
        if kind == "sliding_attention":
            size = self.sliding_window or 0
            side = size // 2 if self.model_type == "gemma3_text" else size
            window = (size - 1, 0) if causal else (side, side)
        return Attention(
            scale=(self.query_pre_attn_scalar or self.head_dim) ** -0.5,
            causal=causal,
            window=window,
            softcap=self.attn_logit_softcapping,
        )

    def frequencies(self, kind: LayerType) -> np.ndarray:
        """Return the angles per position [head_dim / 2] of a layer of this type."""
        if kind == "sliding_attention" and self.rope_local_base_freq is not None:
            return layers.rotary_frequencies(self.head_dim, self.rope_local_base_freq)
        found = layers.rotary_frequencies(self.head_dim, self.rope_theta)
        return found if self.rope_scaling is None else self.rope_scaling.apply(found)
