"""The encoders of published checkpoints have as many parameters as there.

shapes/ holds their config.json, and the number as transformers counts it without pooler
and decoder; `tests.oracle.shapes_test` compares every tensor.
"""

import dataclasses
import json
from pathlib import Path

import pytest
from flax import nnx

from optical_jax.models import families, family, retriever
from optical_jax.models.head import HeadConfig

ENCODERS = {"bert", "xlm-roberta", "xlm-roberta-xl", "modernbert", "mt5"}
SHAPES = {
    path.stem: shape
    for path in sorted((Path(__file__).parent / "shapes").glob("*.json"))
    if (shape := json.loads(path.read_text()))["config"]["model_type"] in ENCODERS
}


def of_depth(config: family.EncoderConfig, layers: int) -> nnx.State:
    """Parameters of the encoder with so many layers."""
    field = "num_layers" if hasattr(config, "num_layers") else "num_hidden_layers"
    config = dataclasses.replace(config, **{field: layers})
    return retriever.abstract_params(config, HeadConfig())


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_published_checkpoints_have_their_parameters(name: str) -> None:
    config = families.parse(SHAPES[name]["config"])
    # Making all layers abstractly takes seconds; those after the first are alike.
    one, two = (retriever.count(of_depth(config, n)) for n in (1, 2))
    found = one + (config.num_hidden_layers - 1) * (two - one)
    assert found == SHAPES[name]["parameters"]


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_key_table_names_every_parameter_once(name: str) -> None:
    config = families.parse(SHAPES[name]["config"])
    paths = [p for t in families.key_table(config).values() for p in t.paths]
    assert len(paths) == len(set(paths))
    shallow = {p for p in paths if p[0] != "layers" or p[1] < 2}
    assert shallow == {p for p, _ in nnx.to_flat_state(of_depth(config, 2)["encoder"])}


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_config_is_read_back_as_written(name: str) -> None:
    config = families.parse(SHAPES[name]["config"])
    written = json.loads(json.dumps(families.config_fields(config)))
    assert families.parse(written) == config
    assert written["dtype"] == "float32"
