"""Our BERT and XLM-R against the torch models of transformers, on the same weights."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.torch
import torch
from flax import nnx

from optical_jax.models import families, hf
from tests.oracle import make_golden, torch_models


def ours(folder: Path, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    config = hf.read_config(folder)
    params = hf.read_params(folder, config)
    module = families.of(config).module
    graph = nnx.graphdef(nnx.eval_shape(lambda: module(config, rngs=nnx.Rngs(0))))
    return np.asarray(nnx.merge(graph, params)(jnp.asarray(ids), jnp.asarray(mask)))


@pytest.mark.parametrize("family", ["gelu", "gelu_new", "xlm-roberta"])
def test_hidden_states(family: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    is_bert = family != "xlm-roberta"
    model = torch_models.bert(family) if is_bert else torch_models.xlm_roberta()
    model.save_pretrained(tmp_path)
    ids, mask = torch_models.ragged_batch(model.config)
    wanted = torch_models.hidden_states(model, ids, mask)
    found = ours(tmp_path, ids, mask)
    np.testing.assert_allclose(found[mask], wanted[mask], atol=1e-5)
    np.testing.assert_allclose(found[3], wanted[3], atol=1e-5)


def test_old_spelling_and_masked_language_model_prefix(tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = torch_models.bert()
    model.config.save_pretrained(tmp_path)
    old = {
        f"bert.{make_golden.old_spelling(k)}": v for k, v in model.state_dict().items()
    }
    old["cls.predictions.bias"] = torch.zeros(model.config.vocab_size)
    safetensors.torch.save_file(old, tmp_path / "model.safetensors")
    ids, mask = torch_models.ragged_batch(model.config)
    wanted = torch_models.hidden_states(model, ids, mask)
    np.testing.assert_allclose(ours(tmp_path, ids, mask)[mask], wanted[mask], atol=1e-5)


def test_what_we_write_torch_reads_bit_for_bit(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = torch_models.xlm_roberta()
    model.save_pretrained(tmp_path / "theirs")
    config = hf.read_config(tmp_path / "theirs")
    (tmp_path / "ours").mkdir()
    hf.write_params(
        hf.read_params(tmp_path / "theirs", config),
        config,
        tmp_path / "ours",
    )
    written = safetensors.torch.load_file(tmp_path / "ours" / "model.safetensors")
    for name, tensor in model.state_dict().items():
        if not name.startswith("pooler") and not name.endswith("_ids"):
            assert torch.equal(written[name], tensor), name
