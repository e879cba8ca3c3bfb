"""Decoders as encoders: stored hidden states of torch, config.json in both spellings.

`tests.oracle.make_golden` made the files of golden/; shapes/ holds the config.json of
published checkpoints and how many parameters they have.
"""

import copy
import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from optical_jax.models import families, hf, retriever
from optical_jax.models.head import HeadConfig

HERE = Path(__file__).parent
GOLDEN = (
    "qwen3",
    "llama",
    "mistral",
    "gemma2",
    "gemma3_text",
    "gemma3_text-bidirectional",
)
DECODERS = {"qwen3", "llama", "mistral", "gemma2", "gemma3_text"}
SHAPES = {
    path.stem: shape
    for path in sorted((HERE / "shapes").glob("*.json"))
    if (shape := json.loads(path.read_text()))["config"]["model_type"] in DECODERS
}


@pytest.fixture(scope="module", params=GOLDEN)
def golden(request: pytest.FixtureRequest):
    folder = HERE / "golden" / request.param
    config = hf.read_config(folder)
    params = hf.read_params(folder, config)
    module = families.of(config).module
    graph = nnx.graphdef(nnx.eval_shape(lambda: module(config, rngs=nnx.Rngs(0))))

    @jax.jit
    def encode(params, ids, mask):
        return nnx.merge(graph, params).with_attention(ids, mask)

    return config, params, encode, dict(np.load(folder / "expected.npz"))


def test_hidden_states_equal_torch(golden):
    _, params, encode, expected = golden
    mask = expected["mask"]
    found, received = encode(params, expected["ids"], mask)
    wanted = expected["hidden"]
    np.testing.assert_allclose(np.asarray(found)[mask], wanted[mask], atol=2e-5)
    # The slot next to the text, which nobody attends to, has a state: queries expand.
    np.testing.assert_allclose(found[3, :9], wanted[3, :9], atol=2e-5)
    np.testing.assert_allclose(received.sum(axis=1), 1, rtol=1e-5)


def test_padding_in_front_changes_nothing(golden):
    config, params, encode, expected = golden
    ids, mask = expected["ids"], expected["mask"]
    lengths = mask.sum(axis=1)
    turned = [np.roll(row, -n) for row, n in zip(ids, lengths, strict=True)]
    turned_mask = [np.roll(row, -n) for row, n in zip(mask, lengths, strict=True)]
    found, received = encode(params, np.stack(turned), np.stack(turned_mask))
    wanted = encode(params, ids, mask)
    for k, n in enumerate(lengths):
        np.testing.assert_allclose(found[k, -n:], wanted[0][k, :n], atol=2e-5)
        np.testing.assert_allclose(received[k, -n:], wanted[1][k, :n], atol=1e-5)
    assert config.max_length == 32


def test_later_tokens_are_seen_only_where_attention_is_bidirectional(golden):
    config, params, encode, expected = golden
    changed = expected["ids"].copy()
    changed[0, -1] = (changed[0, -1] - 5 + 1) % 55 + 5
    found = encode(params, changed, expected["mask"])[0]
    moved = np.abs(np.asarray(found)[0] - expected["hidden"][0]).max(axis=-1) > 1e-3
    assert moved[-1]
    assert moved[:-1].any() == config.use_bidirectional_attention


def _parts(family):
    """A config.json in the older spelling, and its entries in the newer one."""
    fields = copy.deepcopy(
        next(
            s["config"] for s in SHAPES.values() if s["config"]["model_type"] == family
        )
    )
    old = {k: fields.pop(k) for k in list(fields) if k.startswith("rope_")}
    if family == "gemma3_text":
        old["rope_scaling"] = {"rope_type": "linear", "factor": 8.0}
        full = {"rope_theta": old["rope_theta"], **old["rope_scaling"]}
        local = {"rope_type": "default", "rope_theta": old["rope_local_base_freq"]}
        new = {"full_attention": full, "sliding_attention": local}
    else:
        new = {"rope_theta": old["rope_theta"], **(old.get("rope_scaling") or {})}
        new.setdefault("rope_type", "default")
    return fields, old, {"rope_parameters": new}


@pytest.mark.parametrize("family", sorted(DECODERS))
def test_both_spellings_of_rotary_settings_are_one_config(family):
    fields, old, new = _parts(family)
    config = families.parse({**fields, **old})
    assert families.parse({**fields, **new}) == config
    assert (
        families.parse(json.loads(json.dumps(families.config_fields(config)))) == config
    )
    assert config.rope_theta == old["rope_theta"]
    plain = families.parse(fields)
    assert plain.rope_scaling is None
    assert (config.rope_scaling is None) == (family not in ("llama", "gemma3_text"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope_type must be"),
        ({"layer_types": ["full_attention"] * 27 + ["chunked"]}, "layer_types must be"),
        ({"layer_types": ["full_attention"]}, "for each of the 28 layers"),
        ({"num_key_value_heads": 5}, "num_key_value_heads"),
        ({"hidden_act": "mish"}, "hidden_act must be one of"),
        ({"head_dim": 65}, "head_dim must be even"),
        ({"intermediate_size": None}, "intermediate_size"),
    ],
)
def test_what_is_not_computed_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        families.parse({**SHAPES["qwen3-0.6b"]["config"], **changes})


def _of_depth(config, layers):
    kinds = config.layer_types[:layers]
    config = dataclasses.replace(config, num_hidden_layers=layers, layer_types=kinds)
    return config, retriever.abstract_params(config, HeadConfig())


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_published_checkpoints_have_their_parameters(name):
    config = families.parse(SHAPES[name]["config"])
    # Layers are alike in size, and making all of them abstractly takes seconds.
    one, two = (retriever.count(_of_depth(config, n)[1]) for n in (1, 2))
    found = one + (config.num_hidden_layers - 1) * (two - one)
    assert found == SHAPES[name]["parameters"]


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_key_table_names_every_parameter_once(name):
    config, params = _of_depth(families.parse(SHAPES[name]["config"]), 2)
    paths = [p for t in families.key_table(config).values() for p in t.paths]
    assert len(paths) == len(set(paths))
    assert set(paths) == {path for path, _ in nnx.to_flat_state(params["encoder"])}
