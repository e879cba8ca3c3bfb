"""Our decoders against the torch models of transformers, on the same weights."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.torch
import torch
import transformers
from flax import nnx

from optical_jax.models import families, hf
from tests.oracle import torch_decoders, torch_models


def _ours(folder: Path):
    config = hf.read_config(folder)
    params = hf.read_params(folder, config)
    module = families.of(config).module
    graph = nnx.graphdef(nnx.eval_shape(lambda: module(config, rngs=nnx.Rngs(0))))
    return config, params, lambda p, ids, mask: nnx.merge(graph, p)(ids, mask)


@pytest.fixture(scope="module", params=sorted(torch_decoders.MODELS))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    torch.manual_seed(sorted(torch_decoders.MODELS).index(request.param))
    model = torch_decoders.MODELS[request.param]()
    folder = tmp_path_factory.mktemp("torch")
    model.save_pretrained(folder)
    return model, folder, torch_models.ragged_batch(model.config)


def test_hidden_states(case) -> None:
    model, folder, (ids, mask) = case
    _, params, encode = _ours(folder)
    wanted = torch_models.hidden_states(model, ids, mask)
    found = np.asarray(encode(params, jnp.asarray(ids), jnp.asarray(mask)))
    np.testing.assert_allclose(found[mask], wanted[mask], atol=2e-5)
    # Slots that nobody attends to have a state too: expanded queries score them. The one
    # next to the text sees some of it through every window.
    np.testing.assert_allclose(found[3, :9], wanted[3, :9], atol=2e-5)
    spread = np.abs(wanted[mask] - wanted[mask].mean(axis=0)).max()
    assert spread > 0.5, "the texts hardly differ: a wrong mask would not show"


def test_padding_may_stand_in_front(case) -> None:
    model, folder, (ids, mask) = case
    _, params, encode = _ours(folder)
    left = torch_decoders.left_padded(ids, mask, model.config.pad_token_id)
    behind = np.asarray(encode(params, jnp.asarray(ids), jnp.asarray(mask)))
    before = np.asarray(encode(params, *map(jnp.asarray, left)))
    np.testing.assert_allclose(before[left[1]], behind[mask], atol=2e-5)
    wanted = torch_models.hidden_states(model, *left)
    np.testing.assert_allclose(before[left[1]], wanted[left[1]], atol=2e-5)


def test_gradients_of_one_step(case) -> None:
    model, folder, (ids, mask) = case
    config, params, encode = _ours(folder)
    weights = np.random.default_rng(1).standard_normal((*ids.shape, 16))
    weights = (weights * mask[..., None]).astype(np.float32)
    states = model(
        input_ids=torch.tensor(ids).long(), attention_mask=torch.tensor(mask).long()
    ).last_hidden_state
    model.zero_grad()
    (states * torch.tensor(weights)).sum().backward()
    wanted = {k: p.grad.numpy() for k, p in model.named_parameters()}
    grads = jax.grad(
        lambda p: jnp.sum(encode(p, jnp.asarray(ids), jnp.asarray(mask)) * weights)
    )(params)
    flat = {path: np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(grads)}
    table = families.key_table(config)
    assert table.keys() == wanted.keys()
    for name, tensor in table.items():
        (path,) = tensor.paths
        found = flat[path].T if tensor.transposed else flat[path]
        scale = max(1.0, np.abs(wanted[name]).max())
        np.testing.assert_allclose(
            found / scale, wanted[name] / scale, atol=1e-4, err_msg=name
        )


def test_there_and_back_is_bit_identical(case, tmp_path: Path) -> None:
    model, folder, (ids, mask) = case
    config, params, _ = _ours(folder)
    hf.write_params(params, config, tmp_path)
    written = safetensors.torch.load_file(tmp_path / "model.safetensors")
    state = model.state_dict()
    assert written.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(written[name], tensor), name
    # transformers reads our config.json as the same encoder.
    fields = families.config_fields(config)
    (tmp_path / "config.json").write_text(json.dumps(fields), encoding="utf-8")
    again = transformers.AutoModel.from_pretrained(
        tmp_path, attn_implementation=model.config._attn_implementation
    ).eval()
    assert type(again) is type(model)
    found = torch_models.hidden_states(again, ids, mask)
    wanted = torch_models.hidden_states(model, ids, mask)
    np.testing.assert_array_equal(found, wanted)
    assert hf.read_config(tmp_path) == config


@pytest.mark.parametrize("family", ["qwen3", "llama", "mistral", "gemma2"])
def test_bidirectional_is_a_full_mask(family: str, tmp_path: Path) -> None:
    torch.manual_seed(20)
    # Windows as long as the text, so that a full mask is what a bidirectional one is.
    model = getattr(torch_decoders, family)(window=12)
    model.save_pretrained(tmp_path)
    ids, mask = torch_models.ragged_batch(model.config)
    wanted = torch_decoders.full_mask_states(model, ids, mask)
    causal = torch_models.hidden_states(model, ids, mask)
    assert np.abs(wanted[mask] - causal[mask]).max() > 0.1
    config = hf.read_config(tmp_path)
    config = dataclasses.replace(config, use_bidirectional_attention=True)
    params = hf.read_params(tmp_path, config)
    model = families.of(config).module(config, rngs=nnx.Rngs(0))
    nnx.update(model, params)
    found = np.asarray(model(jnp.asarray(ids), jnp.asarray(mask)))
    np.testing.assert_allclose(found[mask], wanted[mask], atol=2e-5)


def test_language_head_and_prefix_are_passed_over(tmp_path: Path) -> None:
    torch.manual_seed(21)
    plain = torch_decoders.qwen3()
    whole = transformers.Qwen3ForCausalLM(plain.config).eval()
    whole.model.load_state_dict(plain.state_dict())
    whole.save_pretrained(tmp_path)
    ids, mask = torch_models.ragged_batch(plain.config)
    _, params, encode = _ours(tmp_path)
    found = np.asarray(encode(params, jnp.asarray(ids), jnp.asarray(mask)))
    wanted = torch_models.hidden_states(plain, ids, mask)
    np.testing.assert_allclose(found[mask], wanted[mask], atol=2e-5)
