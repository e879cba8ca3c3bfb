"""Tiny random torch encoders, whose hidden states ours must equal."""

import numpy as np
import torch
import transformers

_SHAPE = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
}


def bert(activation: str = "gelu") -> transformers.BertModel:
    """A BERT of 20 positions."""
    config = transformers.BertConfig(
        **_SHAPE, max_position_embeddings=20, hidden_act=activation
    )
    return spread(transformers.BertModel(config))


def xlm_roberta() -> transformers.XLMRobertaModel:
    """An XLM-R of 20 positions and the two that it leaves unused."""
    config = transformers.XLMRobertaConfig(
        **_SHAPE,
        max_position_embeddings=22,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=1,
    )
    return spread(transformers.XLMRobertaModel(config))


def spread(model: transformers.PreTrainedModel) -> transformers.PreTrainedModel:
    """Move every weight, so that each shows in the result."""
    # Fresh weights (0.02, LayerNorm 1 and 0) would hide a wrong mask or a swapped tensor.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def ragged_batch(
    config: transformers.PretrainedConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and mask [4, 12]: full, shorter, one token, and unattended [MASK]-like slots."""
    generator = np.random.default_rng(0)
    ids = generator.integers(5, config.vocab_size, (4, 12))
    mask = np.ones((4, 12), bool)
    for row, length in ((1, 7), (2, 1)):
        ids[row, length:] = config.pad_token_id
        mask[row, length:] = False
    mask[3, 8:] = False  # not padding by its id: an expanded query
    return ids.astype(np.int32), mask


def hidden_states(
    model: transformers.PreTrainedModel, ids: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Last hidden states [b, l, d], float32."""
    with torch.no_grad():
        output = model(
            input_ids=torch.tensor(ids, dtype=torch.long),
            attention_mask=torch.tensor(mask, dtype=torch.long),
        )
    return output.last_hidden_state.numpy()
