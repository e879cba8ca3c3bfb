"""config.json of decoders, in transformers 5's spelling or the one before.

transformers 5 writes `rope_parameters`, one or one for each type of layer; before, it was
`rope_theta` with `rope_scaling` and, for Gemma 3, `rope_local_base_freq`. Both are read. The
older one is written, which every version reads.
"""

from typing import Any

from optical_jax.models.decoder_config import (
    FAMILIES,
    DecoderConfig,
    LayerType,
    RopeScaling,
)

# All layers of these are alike; transformers reads a Mistral with it as a Ministral.
UNWRITTEN = {"llama": ("layer_types",), "mistral": ("layer_types",)}


def read_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a DecoderConfig that a config.json states or implies.

    Raises:
        ValueError: naming a value that is missing or that no decoder here has.
    """
    family = fields["model_type"]
    given = dict(FAMILIES[family].defaults) | fields
    if FAMILIES[family].gemma:
        given["hidden_act"] = given.get("hidden_activation") or "gelu_pytorch_tanh"
    heads = given.get("num_attention_heads")
    given["num_key_value_heads"] = given.get("num_key_value_heads") or heads
    if given.get("head_dim") is None and heads and given.get("hidden_size"):
        given["head_dim"] = given["hidden_size"] // heads
    given["use_bidirectional_attention"] = _bidirectional(given)
    kinds = _layer_types(given)
    given |= {"layer_types": kinds, **_rope(given, kinds)}
    for name in ("query_pre_attn_scalar", "attn_logit_softcapping"):
        if given.get(name) is not None:
            given[name] = float(given[name])
    return given


def write_fields(config: DecoderConfig) -> dict[str, Any]:
    """Return what a config.json says otherwise than the config, or beside it."""
    fields: dict[str, Any] = {}
    if config.rope_scaling is not None:
        fields["rope_scaling"] = config.rope_scaling.fields()
    if config.traits.gemma:
        fields["hidden_activation"] = config.hidden_act
        scalar = config.query_pre_attn_scalar or config.head_dim
        fields["query_pre_attn_scalar"] = int(scalar)
    if config.model_type == "qwen3":
        fields["use_sliding_window"] = config.slides
    if config.use_bidirectional_attention and config.model_type != "gemma3_text":
        # transformers 5 reads this of any decoder, the other field of Gemma 3 alone.
        fields["is_causal"] = False
    return fields


def _bidirectional(fields: dict[str, Any]) -> bool:
    stated = bool(fields.get("use_bidirectional_attention"))
    if fields.get("is_causal", True) or stated:
        return stated
    if fields["model_type"] == "gemma3_text":
        raise ValueError(
            "is_causal must not be false for gemma3_text, whose windows would differ; "
            "say use_bidirectional_attention: true"
        )
    return True


def _layer_types(fields: dict[str, Any]) -> tuple[LayerType, ...]:
    """Return the type of each layer, by the rule of the family if it is not stated."""
    family, layers = fields["model_type"], fields.get("num_hidden_layers") or 0
    if family == "llama":
        sliding = [False] * layers
    elif family == "mistral":
        sliding = [fields.get("sliding_window") is not None] * layers
    elif fields.get("layer_types"):
        unknown = set(fields["layer_types"]) - {"full_attention", "sliding_attention"}
        if unknown:
            raise ValueError(
                "layer_types must be 'full_attention' or 'sliding_attention', got "
                f"{sorted(unknown)}"
            )
        sliding = [kind == "sliding_attention" for kind in fields["layer_types"]]
    elif family == "qwen3":
        first = fields.get("max_window_layers", 28)
        slides = bool(fields.get("use_sliding_window") and fields.get("sliding_window"))
        sliding = [slides and i >= first for i in range(layers)]
    else:
        pattern = 2
        if family == "gemma3_text":
            names = ("sliding_window_pattern", "_sliding_window_pattern")
            pattern = next((fields[n] for n in names if fields.get(n)), 6)
        sliding = [bool((i + 1) % pattern) for i in range(layers)]
    return tuple("sliding_attention" if s else "full_attention" for s in sliding)


def _rope(fields: dict[str, Any], kinds: tuple[LayerType, ...]) -> dict[str, Any]:
    """Return rope_theta, rope_scaling and rope_local_base_freq of either spelling."""
    is_gemma3 = fields["model_type"] == "gemma3_text"
    theta = fields.get("rope_theta") or (1e6 if is_gemma3 else 1e4)
    local = fields.get("rope_local_base_freq") or (1e4 if is_gemma3 else None)
    stated = fields.get("rope_parameters") or {}
    nested = {k: stated[k] or {} for k in set(kinds) if k in stated}
    full = nested.get("full_attention", {}) if nested else stated
    if nested:
        sliding = nested.get("sliding_attention", {})
        local = sliding.get("rope_theta", local)
        if _scaling(sliding, fields) is not None:
            raise ValueError(
                "rope_parameters of sliding_attention must be of rope_type 'default', "
                f"got {sliding.get('rope_type')!r}"
            )
    parameters = {**full, **(fields.get("rope_scaling") or {})}
    return {
        "rope_theta": parameters.get("rope_theta") or theta,
        "rope_scaling": _scaling(parameters, fields),
        "rope_local_base_freq": None if local is None else float(local),
    }


def _scaling(parameters: dict[str, Any], fields: dict[str, Any]) -> RopeScaling | None:
    kind = parameters.get("rope_type") or parameters.get("type") or "default"
    partial = parameters.get("partial_rotary_factor", 1.0)
    if kind not in ("default", "linear", "llama3") or partial != 1.0:
        raise ValueError(
            "rope_type must be 'default', 'linear' or 'llama3' over whole heads, got "
            f"{kind!r} with partial_rotary_factor {partial}; inputs of retrieval are "
            "short, so that removing the scaling from config.json may serve"
        )
    if kind == "default":
        return None
    if kind == "linear":
        return RopeScaling(rope_type="linear", factor=float(parameters["factor"]))
    return RopeScaling(
        rope_type="llama3",
        factor=float(parameters["factor"]),
        low_freq_factor=float(parameters["low_freq_factor"]),
        high_freq_factor=float(parameters["high_freq_factor"]),
        original_max_position_embeddings=parameters.get(
            "original_max_position_embeddings", fields["max_position_embeddings"]
        ),
    )
