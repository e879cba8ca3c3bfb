"""Our encoders against the torch models of transformers, on the same weights."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
import transformers
from flax import nnx

from optical_jax.models import families, hf, relative_bias
from tests.oracle import make_golden, torch_models


@pytest.fixture(scope="module", params=sorted(torch_models.CASES))
def theirs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[transformers.PreTrainedModel, Path]:
    """A torch model and the folder that it saved."""
    torch.manual_seed(1)
    model = torch_models.CASES[request.param]()
    folder = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    return model, folder


def read(folder: Path):  # noqa: ANN201
    """Config, parameters, and the encoder as a function of parameters, ids and mask."""
    config = hf.read_config(folder)
    module = families.of(config).module
    graph = nnx.graphdef(nnx.eval_shape(lambda: module(config, rngs=nnx.Rngs(0))))
    encode = jax.jit(lambda params, ids, mask: nnx.merge(graph, params)(ids, mask))
    return config, hf.read_params(folder, config), encode


def test_hidden_states(theirs: tuple[transformers.PreTrainedModel, Path]) -> None:
    model, folder = theirs
    ids, mask = torch_models.ragged_batch(model.config)
    wanted = torch_models.hidden_states(model, ids, mask)
    _, params, encode = read(folder)
    found = np.asarray(encode(params, jnp.asarray(ids), jnp.asarray(mask)))
    # The tolerance is of unit-sized states; T5's are far from unit size.
    size = max(1.0, np.abs(wanted[mask]).max())
    np.testing.assert_allclose(found[mask] / size, wanted[mask] / size, atol=2e-5)
    # Slots that nobody attends to, up to where a window of 2 still sees the text.
    np.testing.assert_allclose(found[3, :10] / size, wanted[3, :10] / size, atol=2e-5)


def test_attention_that_tokens_receive(
    theirs: tuple[transformers.PreTrainedModel, Path],
) -> None:
    model, folder = theirs
    ids, mask = torch_models.ragged_batch(model.config)
    wanted = torch_models.received(model, ids, mask)
    config = hf.read_config(folder)
    module = families.of(config).module
    graph = nnx.graphdef(nnx.eval_shape(lambda: module(config, rngs=nnx.Rngs(0))))
    model = nnx.merge(graph, hf.read_params(folder, config))
    states, found = model.with_attention(jnp.asarray(ids), jnp.asarray(mask))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_array_equal(states, model(jnp.asarray(ids), jnp.asarray(mask)))


def test_gradients(
    theirs: tuple[transformers.PreTrainedModel, Path], tmp_path: Path
) -> None:
    model, folder = theirs
    ids, mask = torch_models.ragged_batch(model.config)
    wanted = torch_models.gradients(model, ids, mask)
    config, params, encode = read(folder)

    def loss(params: nnx.State) -> jax.Array:
        states = encode(params, jnp.asarray(ids), jnp.asarray(mask))
        return 0.5 * jnp.sum(jnp.where(mask[..., None], states, 0.0) ** 2)

    hf.write_params(jax.jit(jax.grad(loss))(params), config, tmp_path)
    found = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    assert found.keys() == {n for n in wanted if not n.startswith("pooler")}
    largest = max(np.abs(g).max() for g in found.values())
    assert largest > 1e-3
    for name, gradient in found.items():
        if name.endswith("key.bias"):
            # It moves no softmax: rounding noise on both sides.
            noise = max(np.abs(g).max() for g in (gradient, wanted[name]))
            assert noise < 1e-6 * largest, (name, noise, largest)
            continue
        worst = np.abs(gradient - wanted[name]).max() / np.abs(wanted[name]).max()
        assert worst < 1e-4, (name, worst)


def test_what_we_write_torch_reads_bit_for_bit(
    theirs: tuple[transformers.PreTrainedModel, Path], tmp_path: Path
) -> None:
    model, folder = theirs
    config, params, _ = read(folder)
    hf.write_params(params, config, tmp_path)
    fields = families.config_fields(config)
    transformers.AutoConfig.for_model(**fields).save_pretrained(tmp_path)
    written = safetensors.torch.load_file(tmp_path / "model.safetensors")
    kept = safetensors.torch.load_file(folder / "model.safetensors")
    assert written.keys() == {n for n in kept if not n.startswith("pooler")}
    for name, tensor in written.items():
        assert torch.equal(tensor, kept[name]), name
    read_back = type(model).from_pretrained(tmp_path).eval()
    ids, mask = torch_models.ragged_batch(model.config)
    if hasattr(model.config, "layer_types"):
        read_back.set_attn_implementation("eager")
    np.testing.assert_array_equal(
        torch_models.hidden_states(read_back, ids, mask),
        torch_models.hidden_states(model, ids, mask),
    )


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
    _, params, encode = read(tmp_path)
    found = np.asarray(encode(params, jnp.asarray(ids), jnp.asarray(mask)))
    np.testing.assert_allclose(found[mask], wanted[mask], atol=2e-5)


@pytest.mark.parametrize(
    ("architecture", "config", "encoder"),
    [
        ("ModernBertForMaskedLM", torch_models.modernbert, lambda m: m.model),
        ("MT5ForConditionalGeneration", lambda: torch_models.t5("mt5"), None),
        ("XLMRobertaXLForMaskedLM", torch_models.xlm_roberta_xl, lambda m: m.roberta),
    ],
)
def test_models_with_heads(architecture: str, config, encoder, tmp_path: Path) -> None:
    torch.manual_seed(3)
    made = getattr(transformers, architecture)(config().config).eval()
    made.save_pretrained(tmp_path)
    ids, mask = torch_models.ragged_batch(made.config)
    wanted = torch_models.hidden_states(
        made.get_encoder() if encoder is None else encoder(made), ids, mask
    )
    _, params, encode = read(tmp_path)
    found = np.asarray(encode(params, jnp.asarray(ids), jnp.asarray(mask)))
    np.testing.assert_allclose(found[mask], wanted[mask], atol=2e-5)


@pytest.mark.parametrize(("number", "farthest"), [(32, 128), (8, 9), (64, 256)])
def test_buckets(number: int, farthest: int) -> None:
    place = torch.arange(300)
    attention = transformers.models.t5.modeling_t5.T5Attention
    wanted = attention._relative_position_bucket(
        place[None] - place[:, None], True, number, farthest
    )
    found = relative_bias.buckets(300, number=number, farthest=farthest)
    np.testing.assert_array_equal(np.asarray(found), wanted.numpy())
