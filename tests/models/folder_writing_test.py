import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy
import tokenizers

from optical_jax.models import folder, retriever
from tests.models import tiny
from tests.models.edits import edit_tensors, read_json

HEADS = {
    "colbert": tiny.COLBERT,
    "attend": dataclasses.replace(tiny.COLBERT, attend_to_expansion=True),
    "tokenwise": tiny.TOKENWISE,
    "mean": tiny.POOLED,
    "last": dataclasses.replace(
        tiny.POOLED, pooling="last", query_prompt="who wrote ", document_prompt="the "
    ),
    "cls-projected": dataclasses.replace(tiny.POOLED, pooling="cls", projection=8),
}


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


def test_license_is_in_the_plain_card(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(colbert, tmp_path / "out", license="apache-2.0")
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")


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
    with pytest.raises(OSError, match="no space left on the disk while writing"):
        folder.save(colbert, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
