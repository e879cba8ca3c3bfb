import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from optical_jax.models import folder, retriever
from tests.models import tiny
from tests.models.edits import edit, edit_tensors, read_json

MISSING = {
    "modules.json": r"no modules\.json",
    "tokenizer.json": r"no tokenizer\.json; make one",
    "config.json": r"no config\.json",
    "model.safetensors": r"no model\.safetensors",
    "1_Dense/config.json": r"1_Dense/config\.json is missing",
    "1_Dense/model.safetensors": r"1_Dense/model\.safetensors is missing",
}


@pytest.mark.parametrize("name", sorted(MISSING))
def test_missing_file(name: str, colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    (tmp_path / "out" / name).unlink()
    with pytest.raises(FileNotFoundError, match=MISSING[name]):
        folder.load(tmp_path / "out")


def test_bin_only(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    weights = tmp_path / "out" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(FileNotFoundError, match=r"\.bin only.*never loaded"):
        folder.load(tmp_path / "out")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no encoder folder"):
        folder.load(tmp_path / "nowhere")


def test_misshapen_tensor(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    name = "embeddings.position_embeddings.weight"
    edit_tensors(
        tmp_path / "out" / "model.safetensors", lambda t: t | {name: t[name][:-1]}
    )
    with pytest.raises(ValueError, match=rf"{name} has shape \(31, 16\)"):
        folder.load(tmp_path / "out")


def test_misshapen_projection(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    edit_tensors(
        tmp_path / "out" / "1_Dense" / "model.safetensors",
        lambda t: {"linear.weight": np.ascontiguousarray(t["linear.weight"].T)},
    )
    with pytest.raises(ValueError, match=r"the shape \(8, 16\), got \(16, 8\)"):
        folder.load(tmp_path / "out")


@pytest.mark.parametrize("name", ["model.safetensors", "1_Dense/model.safetensors"])
def test_truncated(name: str, colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    path = tmp_path / "out" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="is truncated"):
        folder.load(tmp_path / "out")


def test_tokenizer_file_of_nonsense(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(colbert, tmp_path / "out")
    (tmp_path / "out" / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="is no tokenizer file"):
        folder.load(tmp_path / "out")


def test_json_file_of_nonsense(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    (tmp_path / "out" / "modules.json").write_text("[")
    with pytest.raises(ValueError, match=r"modules\.json is no JSON file"):
        folder.load(tmp_path / "out")


def test_dense_with_an_activation(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    edit(
        tmp_path / "out" / "1_Dense" / "config.json",
        activation_function="torch.nn.modules.activation.Tanh",
        use_residual=True,
    )
    with pytest.raises(ValueError, match=r"linear: act.*Tanh'; use_residual must"):
        folder.load(tmp_path / "out")


def test_modules_of_one_library_and_settings_of_another(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(colbert, tmp_path / "out")
    edit(
        tmp_path / "out" / "config_sentence_transformers.json",
        model_type="MultiVectorEncoder",
    )
    with pytest.raises(
        ValueError,
        match="model_type 'ColBERT' .PyLate.* got Transformer, Dense and 'Mul",
    ):
        folder.load(tmp_path / "out")


def test_single_vector_without_normalize(
    pooled: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(pooled, tmp_path / "out")
    path = tmp_path / "out" / "modules.json"
    path.write_text(json.dumps(read_json(path)[:2]))
    with pytest.raises(
        ValueError, match="must end in Normalize, got Transformer, Pool"
    ):
        folder.load(tmp_path / "out")
    assert folder.load(tmp_path / "out", head=tiny.POOLED).head == tiny.POOLED


def test_other_pooling(pooled: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(pooled, tmp_path / "out")
    edit(
        tmp_path / "out" / "1_Pooling" / "config.json",
        pooling_mode_mean_tokens=False,
        pooling_mode_max_tokens=True,
    )
    with pytest.raises(
        ValueError, match=r"one of \['cls', 'last', 'mean'\], got max_tokens"
    ):
        folder.load(tmp_path / "out")


def test_prompts_that_are_not_pooled(
    pooled: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(pooled, tmp_path / "out")
    edit(
        tmp_path / "out" / "config_sentence_transformers.json",
        prompts={"query": "query: ", "document": ""},
    )
    edit(tmp_path / "out" / "1_Pooling" / "config.json", include_prompt=False)
    with pytest.raises(ValueError, match=r"include_prompt must be true"):
        folder.load(tmp_path / "out")


def test_lowercasing_before_a_cased_tokenizer(tmp_path: Path) -> None:
    cased = tiny.wordpiece()
    cased.normalizer = tokenizers.normalizers.NFC()
    cased.add_tokens(["A"])
    folder.save(tiny.make(tiny.POOLED, tokenizer=cased), tmp_path / "out")
    edit(tmp_path / "out" / "sentence_bert_config.json", do_lower_case=True)
    with pytest.raises(ValueError, match="do_lower_case must be false"):
        folder.load(tmp_path / "out")


def test_marker_that_is_no_token(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    edit(tmp_path / "out" / "config_sentence_transformers.json", query_prefix="query: ")
    with pytest.raises(ValueError, match="query_marker needs the token 'query: '"):
        folder.load(tmp_path / "out")


def test_more_tokens_than_rows(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    path = tmp_path / "out" / "tokenizer.json"
    grown = tokenizers.Tokenizer.from_file(str(path))
    grown.add_tokens(["one more"])
    grown.save(str(path))
    rows = colbert.encoder.vocab_size
    with pytest.raises(ValueError, match=rf"vocab_size {rows + 1} or more, got {rows}"):
        folder.load(tmp_path / "out")


def test_no_padding_token(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    path = tmp_path / "out" / "tokenizer.json"
    path.write_text(path.read_text().replace("[PAD]", "[FILL]"))
    with pytest.raises(ValueError, match="no padding token; name one as pad_token"):
        folder.load(tmp_path / "out")
    edit(tmp_path / "out" / "tokenizer_config.json", pad_token={"content": "[FILL]"})
    assert folder.load(tmp_path / "out").text.special.pad == "[FILL]"
