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


def xlm_roberta_xl() -> transformers.XLMRobertaXLModel:
    """An XLM-R XL, pre-norm."""
    config = transformers.XLMRobertaXLConfig(
        **_SHAPE, max_position_embeddings=22, pad_token_id=1
    )
    return spread(transformers.XLMRobertaXLModel(config))


def modernbert(**fields: object) -> transformers.ModernBertModel:
    """A ModernBERT of a global, two local and a global layer; windows of 2 on each side."""
    config = transformers.ModernBertConfig(
        **_SHAPE | {"num_hidden_layers": 4},
        max_position_embeddings=20,
        pad_token_id=0,
        local_attention=4,
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 160.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10.0},
        },
        **fields,
    )
    # "eager" says what a row that sees nothing gets; the fused kernels do not.
    config._attn_implementation = "eager"
    return spread(transformers.ModernBertModel(config))


_T5 = {"t5": "T5", "mt5": "MT5", "umt5": "UMT5"}


def t5(kind: str = "t5", **fields: object) -> transformers.PreTrainedModel:
    """An encoder of the T5 family whose heads are narrower than its width / heads."""
    config = getattr(transformers, f"{_T5[kind]}Config")(
        vocab_size=60,
        d_model=16,
        d_kv=3,
        d_ff=32,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=9,
        **fields,
    )
    return spread(getattr(transformers, f"{_T5[kind]}EncoderModel")(config))


# Every family, and what changes its tensors or its computation, by name.
CASES = {
    "bert": lambda: bert("gelu_new"),
    "bert-gelu": bert,
    "xlm-roberta": xlm_roberta,
    "xlm-roberta-xl": xlm_roberta_xl,
    "modernbert": modernbert,
    "modernbert-biases": lambda: modernbert(
        norm_bias=True, attention_bias=True, mlp_bias=True
    ),
    "t5": t5,
    "t5-gated-silu": lambda: t5(feed_forward_proj="gated-silu"),
    "mt5": lambda: t5("mt5"),
    "umt5": lambda: t5("umt5"),
}


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
        return _forward(model, ids, mask).numpy()


def received(
    model: transformers.PreTrainedModel, ids: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Share of its text's attention that each token gets in the last layer, [b, l]."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    with torch.no_grad():
        output = model(
            input_ids=torch.tensor(ids, dtype=torch.long),
            attention_mask=torch.tensor(mask, dtype=torch.long),
            output_attentions=True,
        )
    model.set_attn_implementation(before)
    weights = output.attentions[-1].mean(dim=1).numpy()
    return (weights * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)


def gradients(
    model: transformers.PreTrainedModel, ids: np.ndarray, mask: np.ndarray
) -> dict[str, np.ndarray]:
    """Gradients of half the sum of squares of hidden states at real tokens, by name."""
    model.zero_grad()
    states = _forward(model, ids, mask)[torch.tensor(mask)]
    (0.5 * (states**2).sum()).backward()
    return {
        name: parameter.grad.numpy()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def _forward(
    model: transformers.PreTrainedModel, ids: np.ndarray, mask: np.ndarray
) -> torch.Tensor:
    return model(
        input_ids=torch.tensor(ids, dtype=torch.long),
        attention_mask=torch.tensor(mask, dtype=torch.long),
    ).last_hidden_state
