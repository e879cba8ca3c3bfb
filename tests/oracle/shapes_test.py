"""Tensor names and shapes of published encoders, as transformers makes them."""

import pytest
import torch
import transformers

from optical_jax.models import families, hf
from tests.models.shapes_test import SHAPES


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_tensors_are_those_of_transformers(name: str) -> None:
    fields = SHAPES[name]["config"]
    config = families.parse(fields)
    kind = getattr(transformers, families.of(config).architecture)
    pooled = config.model_type in ("bert", "xlm-roberta", "xlm-roberta-xl")
    options = {"add_pooling_layer": False} if pooled else {}
    with torch.device("meta"):
        model = kind(transformers.AutoConfig.for_model(**fields), **options)
    wanted = {
        k: tuple(v.shape)
        for k, v in model.state_dict().items()
        if k != "encoder.embed_tokens.weight"
    }
    ours = {path: leaf.shape for path, leaf in hf.abstract_params(config).items()}
    table = families.key_table(config)
    found = {key: hf.their_shape(tensor, ours) for key, tensor in table.items()}
    assert found == wanted
    assert SHAPES[name]["parameters"] == model.num_parameters()
