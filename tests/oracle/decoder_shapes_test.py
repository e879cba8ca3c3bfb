"""Tensor names and shapes of published decoders, as transformers makes them."""

import pytest
import torch
import transformers

from optical_jax.models import families, hf
from tests.models.decoder_test import SHAPES


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_tensors_are_those_of_transformers(name: str) -> None:
    fields = SHAPES[name]["config"]
    with torch.device("meta"):
        stated = transformers.AutoConfig.for_model(**fields)
        model = transformers.AutoModel.from_config(stated)
    wanted = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    config = families.parse(fields)
    shapes = {path: leaf.shape for path, leaf in hf.abstract_params(config).items()}
    found = {
        key: shapes[t.paths[0]][::-1] if t.transposed else shapes[t.paths[0]]
        for key, t in families.key_table(config).items()
    }
    assert found == wanted
    assert sum(v.numel() for v in model.state_dict().values()) == sum(
        leaf.size for leaf in hf.abstract_params(config).values()
    )
    assert SHAPES[name]["parameters"] == model.num_parameters()
