"""Tiny random torch decoders, causal or not, whose hidden states ours must equal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers

from tests.oracle import torch_models

_SHAPE = {
    "vocab_size": 60,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    # What bounds no head: another width than hidden_size / num_attention_heads.
    "head_dim": 6,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}


def qwen3(*, window: int = 4, **fields: Any) -> transformers.Qwen3Model:
    """Two layers, the second of which slides."""
    config = transformers.Qwen3Config(
        **_SHAPE,
        num_hidden_layers=2,
        use_sliding_window=True,
        sliding_window=window,
        max_window_layers=1,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        **fields,
    )
    return _made(transformers.Qwen3Model, config)


def llama(*, window: int = 0, **fields: Any) -> transformers.LlamaModel:
    """Two layers with Llama 3.1's stretched frequencies; nothing slides."""
    del window
    config = transformers.LlamaConfig(
        **_SHAPE, num_hidden_layers=2, rope_parameters=dict(_LLAMA3), **fields
    )
    return _made(transformers.LlamaModel, config)


def mistral(*, window: int = 3, **fields: Any) -> transformers.MistralModel:
    """Two layers that slide."""
    config = transformers.MistralConfig(
        **_SHAPE, num_hidden_layers=2, sliding_window=window, **fields
    )
    return _made(transformers.MistralModel, config)


def gemma2(*, window: int = 4, **fields: Any) -> transformers.Gemma2Model:
    """Three layers: sliding, full, sliding; scores are capped where it shows."""
    config = transformers.Gemma2Config(
        **_SHAPE,
        num_hidden_layers=3,
        sliding_window=window,
        query_pre_attn_scalar=9,
        attn_logit_softcapping=2.0,
        attn_implementation="eager",
        **fields,
    )
    return _made(transformers.Gemma2Model, config)


def gemma3(**fields: Any) -> transformers.Gemma3TextModel:
    """Four layers, every third of which is full, with other rotations in these."""
    config = transformers.Gemma3TextConfig(
        **_SHAPE,
        num_hidden_layers=4,
        sliding_window=5,
        layer_types=[
            "sliding_attention",
            "sliding_attention",
            "full_attention",
            "sliding_attention",
        ],
        query_pre_attn_scalar=9,
        rope_parameters={
            "full_attention": {
                "rope_type": "linear",
                "factor": 2.0,
                "rope_theta": 5000.0,
            },
            "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
        },
        **fields,
    )
    return _made(transformers.Gemma3TextModel, config)


# Both attention modes; transformers 5 makes any decoder bidirectional by is_causal.
MODELS: dict[str, Callable[[], transformers.PreTrainedModel]] = {
    "qwen3": qwen3,
    "qwen3-bidirectional": lambda: qwen3(is_causal=False),
    "llama": llama,
    "llama-bidirectional": lambda: llama(is_causal=False),
    "mistral": mistral,
    "mistral-bidirectional": lambda: mistral(is_causal=False),
    "gemma2": gemma2,
    "gemma2-bidirectional": lambda: gemma2(is_causal=False),
    "gemma3_text": gemma3,
    "gemma3_text-bidirectional": lambda: gemma3(use_bidirectional_attention=True),
}
# Kept as files: both modes of one family, the published one of the others.
GOLDEN = (
    "qwen3",
    "llama",
    "mistral",
    "gemma2",
    "gemma3_text",
    "gemma3_text-bidirectional",
)


def left_padded(
    ids: np.ndarray, mask: np.ndarray, pad_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same texts with their padding in front."""
    moved, moved_mask = np.full_like(ids, pad_id), np.zeros_like(mask)
    for k, row in enumerate(mask):
        length = int(row.sum())
        moved[k, len(row) - length :] = ids[k, :length]
        moved_mask[k, len(row) - length :] = True
    return moved, moved_mask


def full_mask_states(
    model: transformers.PreTrainedModel, ids: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Hidden states of a causal model that is given a 4D mask: all texts see all of it."""
    length = ids.shape[1]
    seen = np.broadcast_to(mask[:, None, None], (len(ids), 1, length, length))
    bias = torch.where(torch.tensor(seen), 0.0, torch.finfo(torch.float32).min)
    with torch.no_grad():
        output = model(input_ids=torch.tensor(ids).long(), attention_mask=bias)
    return output.last_hidden_state.numpy()


def _made(
    kind: type[transformers.PreTrainedModel], config: transformers.PretrainedConfig
) -> transformers.PreTrainedModel:
    return torch_models.spread(kind(config))
