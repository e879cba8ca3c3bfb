import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import tokenizers

from optical_jax.models import folder, retriever
from optical_jax.models.head import HeadConfig
from tests.models import tiny

HEADS = {
    "colbert": tiny.COLBERT,
    "attend": dataclasses.replace(tiny.COLBERT, attend_to_expansion=True),
    "tokenwise": tiny.TOKENWISE,
    "mean": tiny.POOLED,
    "last": dataclasses.replace(tiny.POOLED, pooling="last"),
    "cls-projected": dataclasses.replace(tiny.POOLED, pooling="cls", projection=8),
}


@pytest.fixture(scope="module")
def colbert() -> retriever.Retriever:
    return tiny.make(tiny.COLBERT)


@pytest.fixture(scope="module")
def pooled() -> retriever.Retriever:
    return tiny.make(tiny.POOLED)


def read_json(path: Path) -> dict | list:
    return json.loads(path.read_text(encoding="utf-8"))


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(read_json(path) | fields), encoding="utf-8")


def edit_tensors(path: Path, change: Callable[[dict], dict]) -> None:
    safetensors.numpy.save_file(change(safetensors.numpy.load_file(path)), path)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "modernbert", "t5"])
@pytest.mark.parametrize("name", sorted(HEADS))
def test_round_trip(name: str, family: str, tmp_path: Path) -> None:
    model = tiny.make(HEADS[name], family=family)
    folder.save(model, tmp_path / "out")
    read = folder.load(tmp_path / "out")
    left_out = dataclasses.replace(
        model.head, skiplist=tuple(w for w in model.head.skiplist if len(w) == 1)
    )
    in_vocabulary = [
        w for w in left_out.skiplist if model.text.tokenizer.token_to_id(w) is not None
    ]
    assert read.head == dataclasses.replace(left_out, skiplist=tuple(in_vocabulary))
    assert read.encoder == model.encoder
    jax.tree.map(np.testing.assert_array_equal, read.params, model.params)
    for encode in ("queries", "documents"):
        before = getattr(model.text, encode)(tiny.TEXTS)
        after = getattr(read.text, encode)(tiny.TEXTS)
        for one, other in zip(before, after, strict=True):
            jax.tree.map(np.testing.assert_array_equal, one, other)


def test_round_trip_gives_the_same_vectors(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(colbert, tmp_path / "out")
    read = folder.load(tmp_path / "out")
    before = tiny.vectors(colbert, colbert.text.documents(tiny.TEXTS))
    after = tiny.vectors(read, read.text.documents(tiny.TEXTS))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_temporary_files_stay(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_module_types_are_the_old_names(
    colbert: retriever.Retriever, pooled: retriever.Retriever, tmp_path: Path
) -> None:
    # PyLate 1.6 and sentence-transformers 5 know no others.
    folder.save(colbert, tmp_path / "multi")
    folder.save(pooled, tmp_path / "single")
    kinds = [m["type"] for m in read_json(tmp_path / "multi" / "modules.json")]
    assert kinds == [
        "sentence_transformers.models.Transformer",
        "pylate.models.Dense.Dense",
    ]
    kinds = [m["type"] for m in read_json(tmp_path / "single" / "modules.json")]
    assert kinds == [
        f"sentence_transformers.models.{name}"
        for name in ("Transformer", "Pooling", "Normalize")
    ]


def test_skiplist_words_that_are_no_tokens_are_left_out(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    # PyLate maps them to [UNK] and then drops every [UNK] of a document.
    folder.save(colbert, tmp_path / "out")
    settings = read_json(tmp_path / "out" / "config_sentence_transformers.json")
    assert "no single token" not in settings["skiplist_words"]
    assert "?" in settings["skiplist_words"]
    read = folder.load(tmp_path / "out")
    (document,) = read.text.documents(["谁"])
    unknown = read.text.tokenizer.token_to_id("[UNK]")
    assert document.scored[document.ids == unknown].tolist() == [True]


def test_layer_norm_is_written_in_todays_spelling_and_read_in_both(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(colbert, tmp_path / "out")
    weights = tmp_path / "out" / "model.safetensors"
    names = list(safetensors.numpy.load_file(weights))
    assert "embeddings.LayerNorm.weight" in names
    assert not [n for n in names if n.endswith(("gamma", "beta"))]

    def old(tensors: dict) -> dict:
        return {
            k.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): v
            for k, v in tensors.items()
        }

    edit_tensors(weights, old)
    read = folder.load(tmp_path / "out")
    jax.tree.map(np.testing.assert_array_equal, read.params, colbert.params)


def test_markers_are_added_tokens_with_rows(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    # A library that has to add a marker gives it a random row.
    folder.save(colbert, tmp_path / "out")
    stored = tokenizers.Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    weights = safetensors.numpy.load_file(tmp_path / "out" / "model.safetensors")
    rows = weights["embeddings.word_embeddings.weight"]
    added = {t.content: i for i, t in stored.get_added_tokens_decoder().items()}
    for marker in ("[Q] ", "[D] "):
        assert added[marker] < len(rows)


def test_no_marker_is_an_empty_string_and_no_projection_the_identity(
    tmp_path: Path,
) -> None:
    # PyLate takes null for "[Q] " and adds a random projection where there is none.
    folder.save(tiny.make(tiny.TOKENWISE), tmp_path / "out")
    settings = read_json(tmp_path / "out" / "config_sentence_transformers.json")
    assert settings["query_prefix"] == settings["document_prefix"] == ""
    weights = safetensors.numpy.load_file(
        tmp_path / "out" / "1_Dense" / "model.safetensors"
    )
    np.testing.assert_array_equal(weights["linear.weight"], np.eye(16))


def test_null_settings_are_pylates_defaults(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(colbert, tmp_path / "out")
    (tmp_path / "out" / "config_sentence_transformers.json").write_text(
        json.dumps({"model_type": "ColBERT", "query_prefix": None})
    )
    edit(tmp_path / "out" / "config.json", max_position_embeddings=32)
    with pytest.raises(ValueError, match=r"document_length must be at most 32.*180"):
        folder.load(tmp_path / "out")


def test_tokenizer_is_read_by_others_as_it_is(tmp_path: Path) -> None:
    # The class named after the model would bring back its own normalizer.
    accented = tiny.wordpiece(accents=True)
    folder.save(tiny.make(tiny.COLBERT, tokenizer=accented), tmp_path / "out")
    settings = read_json(tmp_path / "out" / "tokenizer_config.json")
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    import transformers

    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    for text in tiny.TEXTS:
        assert theirs(text)["input_ids"] == accented.encode(text).ids
    assert (theirs.pad_token, theirs.mask_token) == ("[PAD]", "[MASK]")


def test_plain_encoder_needs_a_head(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    with folder.staged(tmp_path / "out") as writing:
        folder.write_encoder(colbert, writing)
    with pytest.raises(FileNotFoundError, match=r"no modules\.json.*pass a head"):
        folder.load(tmp_path / "out")
    read = folder.load(tmp_path / "out", head=tiny.TOKENWISE)
    np.testing.assert_array_equal(
        read.params["encoder"]["embeddings"]["word"]["embedding"][...],
        colbert.params["encoder"]["embeddings"]["word"]["embedding"][...],
    )
    with pytest.raises(ValueError, match="projection is 8 but .* no projection"):
        folder.load(tmp_path / "out", head=tiny.COLBERT)


def test_single_vector_folder_token_by_token(
    pooled: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(pooled, tmp_path / "out")
    read = folder.load(tmp_path / "out", head=tiny.TOKENWISE)
    (row,) = read.text.queries(["habari"])
    (found,) = tiny.vectors(read, [row])
    assert found.shape == (len(row.ids), 16)


def test_lengths_of_a_single_vector_folder_without_ours(
    pooled: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(pooled, tmp_path / "out")
    (tmp_path / "out" / "config_sentence_transformers.json").unlink()
    assert folder.load(tmp_path / "out").head == tiny.POOLED
    (tmp_path / "out" / "sentence_bert_config.json").unlink()
    # Then the tokenizer's own limit, here the encoder's positions.
    assert folder.load(tmp_path / "out").head.query_length == 32


def test_new_style_pooling_file(pooled: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(pooled, tmp_path / "out")
    path = tmp_path / "out" / "1_Pooling" / "config.json"
    path.write_text(json.dumps({"embedding_dimension": 16, "pooling_mode": "cls"}))
    assert folder.load(tmp_path / "out").head.pooling == "cls"


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


def test_prompts(pooled: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(pooled, tmp_path / "out")
    edit(
        tmp_path / "out" / "config_sentence_transformers.json",
        prompts={"query": "query: ", "document": ""},
    )
    with pytest.raises(ValueError, match=r"prompts must be empty.*'query: '"):
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


def test_markers_do_not_fit_a_single_vector_folder(tmp_path: Path) -> None:
    head = dataclasses.replace(tiny.POOLED, query_marker="[Q] ")
    with pytest.raises(ValueError, match=r"cannot hold markers.*'\[Q\] '"):
        folder.save(tiny.make(head), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_full_folder_is_not_overwritten(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    folder.save(colbert, tmp_path / "empty")
    with pytest.raises(ValueError, match="exists already; remove it"):
        folder.save(colbert, tmp_path / "empty")


def test_failure_leaves_nothing(
    colbert: retriever.Retriever, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        folder.save(colbert, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_parameters_are_float32(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    edit_tensors(
        tmp_path / "out" / "model.safetensors",
        lambda t: {k: v.astype(np.float16) for k, v in t.items()},
    )
    read = folder.load(tmp_path / "out")
    assert {leaf.dtype for leaf in jax.tree.leaves(read.params)} == {
        jnp.dtype("float32")
    }


def test_license_is_in_the_plain_card(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(colbert, tmp_path / "out", license="apache-2.0")
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")


def test_head_of_the_caller_wins(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    head = HeadConfig(projection=8, query_length=5, document_length=6)
    read = folder.load(tmp_path / "out", head=head)
    assert read.head == head
    np.testing.assert_array_equal(
        read.params["projection"]["kernel"][...],
        colbert.params["projection"]["kernel"][...],
    )
