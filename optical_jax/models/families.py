"""The table of encoder families, and configs read and written by it.

A new family is one file and one line here.
"""

import dataclasses
import math
from typing import Any

from optical_jax.models import bert, decoder, modernbert, t5, xlm_roberta_xl
from optical_jax.models.family import WORD, EncoderConfig, Family, KeyTable

# Fields that say how many layers there are, and the most that is taken for true.
_LAYERS = ("num_hidden_layers", "num_layers")
_MOST_LAYERS = 1000
# By the model_type of config.json.
FAMILIES: dict[str, Family] = {
    "bert": bert.BERT,
    "modernbert": modernbert.MODERNBERT,
    "mt5": t5.MT5_FAMILY,
    "t5": t5.T5_FAMILY,
    "umt5": t5.UMT5_FAMILY,
    "xlm-roberta": bert.XLM_ROBERTA,
    "xlm-roberta-xl": xlm_roberta_xl.XLM_ROBERTA_XL,
    **decoder.DECODERS,
}


def of(config: EncoderConfig) -> Family:
    """Return the family of a config."""
    return FAMILIES[config.model_type]


def key_table(config: EncoderConfig) -> KeyTable:
    """Return {tensor name in a checkpoint: where it goes}."""
    return of(config).key_table(config)


def word_tensor(config: EncoderConfig) -> str:
    """Return the name of the word embedding in checkpoints."""
    table = key_table(config)
    return next(name for name, tensor in table.items() if tensor.paths == (WORD,))


def parse(fields: Any) -> EncoderConfig:  # noqa: ANN401 - as it was found
    """Make a config of the content of a config.json.

    Raises:
        ValueError: if the family is not known, a field is missing, or a value asks for
            what the family's module does not compute.
    """
    if not isinstance(fields, dict):
        raise ValueError(f"an encoder's config must be an object, got {fields!r:.60}")
    model_type = fields.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise ValueError(
            f"model_type must be one of {', '.join(sorted(FAMILIES))}, got {model_type!r}; "
            "encoders of other families are not read"
        )
    family = FAMILIES[model_type]
    for name, values in family.accepted.items():
        if fields.get(name, values[0]) not in values:
            raise ValueError(
                f"{name} must be {' or '.join(map(repr, values))}, got {fields[name]!r}; "
                f"other kinds of {model_type} are not computed here"
            )
    for name in _LAYERS:
        _check(name, int, fields.get(name), most=_MOST_LAYERS)
    try:
        fields = family.read_fields(fields)
        known = {f.name: f.type for f in dataclasses.fields(family.config)}
        given = {k: fields[k] for k in known if fields.get(k) is not None}
        # JSON writes 10000.0 as 10000 too.
        given = {k: float(v) if known[k] is float else v for k, v in given.items()}
        for name, value in given.items():
            _check(name, known[name], value)
        return family.config(**given)
    # What arithmetic with values of other kinds raises.
    except (TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise ValueError(
            f"this is no {model_type} encoder's config: {error}"
        ) from error


def _check(name: str, kind: Any, value: Any, *, most: int = 2**31 - 1) -> None:  # noqa: ANN401
    """Refuse a value of another type than the field's, or a size that nothing has."""
    if value is None or kind not in (int, float, bool, str):
        return
    if type(value) is not kind:
        raise ValueError(f"{name} must be of type {kind.__name__}, got {value!r:.60}")
    if kind is int and not -1 <= value <= most:
        raise ValueError(f"{name} must be at most {most}, got {value}")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value}")


def config_fields(config: EncoderConfig, *, dtype: str = "float32") -> dict[str, Any]:
    """Return the content of a config.json that transformers reads as this encoder."""
    family = of(config)
    fields = {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if name not in family.unwritten
    }
    return {
        "architectures": [family.architecture],
        **fields,
        **family.write_fields(config),
        "dtype": dtype,
    }
