import dataclasses
import json
import string
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy
import tokenizers

from optical_jax.models import adapt, folder, layout, retriever, stanford_writer
from tests.models import tiny

HEAD = dataclasses.replace(
    tiny.COLBERT,
    query_marker="[unused0]",
    document_marker="[unused1]",
    skiplist=tuple(string.punctuation),
)


def with_unused() -> tokenizers.Tokenizer:
    """A BERT vocabulary with spare tokens, which are not added ones."""
    state = json.loads(tiny.wordpiece(markers=False).to_str())
    vocab = state["model"]["vocab"]
    vocab |= {f"[unused{i}]": len(vocab) + i for i in range(2)}
    return tokenizers.Tokenizer.from_str(json.dumps(state))


@pytest.fixture(scope="module")
def colbert() -> retriever.Retriever:
    return tiny.make(HEAD, tokenizer=with_unused())


def write(model: retriever.Retriever, path: Path) -> Path:
    fitted = stanford_writer.fit(model)
    path.mkdir()
    folder.write_encoder(fitted, path)
    stanford_writer.write(fitted, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(
    colbert: retriever.Retriever, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return write(colbert, tmp_path_factory.mktemp("stanford") / "colbert")


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    made = tmp_path / "copy"
    made.mkdir()
    for file in checkpoint.iterdir():
        (made / file.name).write_bytes(file.read_bytes())
    return made


def edit(path: Path, **fields: object) -> None:
    found = json.loads((path / layout.STANFORD_SETTINGS).read_text()) | fields
    kept = {key: value for key, value in found.items() if value != "drop"}
    (path / layout.STANFORD_SETTINGS).write_text(json.dumps(kept))


def test_round_trip(checkpoint: Path, colbert: retriever.Retriever) -> None:
    read = folder.load(checkpoint)
    assert read.head == HEAD
    jax.tree.map(np.testing.assert_array_equal, read.params, colbert.params)
    for kind in ("queries", "documents"):
        before = getattr(colbert.text, kind)(tiny.TEXTS)
        after = getattr(read.text, kind)(tiny.TEXTS)
        for one, other in zip(before, after, strict=True):
            jax.tree.map(np.testing.assert_array_equal, one, other)


def test_written_twice_is_the_same_bit_for_bit(
    checkpoint: Path, tmp_path: Path
) -> None:
    again = write(folder.load(checkpoint), tmp_path / "again")
    for file in checkpoint.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize(
    ("family", "prefix"), [("bert", "bert."), ("xlm-roberta", "roberta.")]
)
def test_tensors_are_those_of_the_encoder_and_the_projection(
    family: str, prefix: str, tmp_path: Path
) -> None:
    head = dataclasses.replace(tiny.COLBERT, skiplist=())
    path = write(tiny.make(head, family=family), tmp_path / "out")
    names = safetensors.numpy.load_file(path / "model.safetensors").keys()
    assert names - {"linear.weight"} == {n for n in names if n.startswith(prefix)}
    assert f"{prefix}embeddings.LayerNorm.weight" in names
    config = json.loads((path / "config.json").read_text())
    assert (config["architectures"], config["model_type"]) == (["HF_ColBERT"], family)


def test_settings_are_those_that_colbert_writes(checkpoint: Path) -> None:
    found = json.loads((checkpoint / "artifact.metadata").read_text())
    wanted = {
        "query_token_id": "[unused0]",
        "doc_token_id": "[unused1]",
        "query_token": "[Q]",
        "doc_token": "[D]",
        "dim": 8,
        "similarity": "cosine",
        "query_maxlen": 16,
        "doc_maxlen": 24,
        "attend_to_mask_tokens": False,
        "mask_punctuation": True,
    }
    assert found.items() >= wanted.items()


def test_markers_lose_a_blank_and_keep_their_rows(tmp_path: Path) -> None:
    # Readers put the marker and a blank before the text; "[Q] " would be "[Q]  ".
    model = tiny.make(dataclasses.replace(tiny.COLBERT, skiplist=()))
    read = folder.load(write(model, tmp_path / "out"))
    assert (read.head.query_marker, read.head.document_marker) == ("[Q]", "[D]")
    for old, new in (("[Q] ", "[Q]"), ("[D] ", "[D]")):
        ids = [r.text.tokenizer.token_to_id(t) for r, t in ((model, old), (read, new))]
        assert ids[0] == ids[1]
    (one,), (other,) = (r.text.queries(["habari dunia"]) for r in (model, read))
    np.testing.assert_array_equal(one.ids, other.ids)


def test_markers_become_tokens_that_nothing_takes_apart(checkpoint: Path) -> None:
    stored = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    ids = stored.encode("[unused0] habari").ids
    assert [stored.id_to_token(i) for i in ids[1:3]] == ["[unused0]", "habari"]


def test_old_layer_norm_spelling_is_read(
    copy: Path, colbert: retriever.Retriever
) -> None:
    tensors = safetensors.numpy.load_file(copy / "model.safetensors")
    renamed = {
        k.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): v
        for k, v in tensors.items()
    }
    safetensors.numpy.save_file(renamed, copy / "model.safetensors")
    read = folder.load(copy)
    jax.tree.map(np.testing.assert_array_equal, read.params, colbert.params)


def test_what_the_settings_leave_out_is_colberts_default(copy: Path) -> None:
    edit(
        copy, query_token_id="drop", mask_punctuation="drop", attend_to_mask_tokens=None
    )
    assert folder.load(copy).head == HEAD
    edit(copy, mask_punctuation=False, attend_to_mask_tokens=True)
    head = dataclasses.replace(HEAD, skiplist=(), attend_to_expansion=True)
    assert folder.load(copy).head == head


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"similarity": "l2"}, "similarity must be 'cosine', got 'l2'"),
        (
            {"dim": 128},
            "dim is 128, but model.safetensors has linear.weight of width 8",
        ),
        (
            {"query_token_id": "[QueryMarker]"},
            "query_token_id names the marker '.Query",
        ),
        ({"doc_maxlen": 300}, "document_length must be at most 32.*got 300"),
    ],
)
def test_settings_that_do_not_fit(
    fields: dict[str, object], message: str, copy: Path
) -> None:
    edit(copy, **fields)
    with pytest.raises(ValueError, match=message):
        folder.load(copy)


def test_no_settings(copy: Path) -> None:
    (copy / "artifact.metadata").unlink()
    with pytest.raises(
        FileNotFoundError, match="without artifact.metadata, which names"
    ):
        folder.load(copy)


def test_no_projection(copy: Path) -> None:
    tensors = safetensors.numpy.load_file(copy / "model.safetensors")
    del tensors["linear.weight"]
    safetensors.numpy.save_file(tensors, copy / "model.safetensors")
    with pytest.raises(ValueError, match="has no tensor 'linear.weight'"):
        folder.load(copy)


def test_projection_under_another_head(copy: Path) -> None:
    head = dataclasses.replace(tiny.TOKENWISE, projection=8)
    read = folder.load(copy, head=head)
    assert read.params["projection"]["kernel"].shape == (16, 8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"expansion": False}, "head.expansion is False"),
        ({"query_marker": None}, "head.query_marker is None.*needs both"),
        ({"skiplist": ("?", "!")}, r"skiplist is \('\?', '!'\), neither empty nor all"),
        ({"projection_bias": True}, "head.projection_bias is True"),
        ({"skip_first": True}, "head.skip_first is True"),
    ],
)
def test_heads_that_a_reader_would_misread(
    fields: dict[str, object], message: str
) -> None:
    model = tiny.make(dataclasses.replace(HEAD, **fields), tokenizer=with_unused())
    with pytest.raises(ValueError, match=f"{message}.*use --format pylate"):
        stanford_writer.fit(model)


def test_punctuation_outside_the_vocabulary() -> None:
    # PyLate would take the mark for [UNK] and skip every [UNK].
    state = json.loads(with_unused().to_str())
    vocab = state["model"]["vocab"]
    vocab["tilde"] = vocab.pop("~")
    model = tiny.make(HEAD, tokenizer=tokenizers.Tokenizer.from_str(json.dumps(state)))
    with pytest.raises(ValueError, match="vocabulary lacks ~, and PyLate would then"):
        stanford_writer.fit(model)


def test_a_marker_that_would_become_another_token() -> None:
    tokenizer = with_unused()
    tokenizer.add_special_tokens(["[Q]", "[Q] ", "[D] "])
    head = dataclasses.replace(HEAD, query_marker="[Q] ", document_marker="[D] ")
    with pytest.raises(ValueError, match=r"without their blanks '\[Q\]' are other"):
        stanford_writer.fit(tiny.make(head, tokenizer=tokenizer))


def test_an_unread_setting_is_said(colbert: retriever.Retriever) -> None:
    bare = tiny.with_head(colbert, skiplist=())
    _, limits = adapt.adapt(bare, "stanford")
    assert "pass skiplist_words=[]" in limits[0]
    assert adapt.adapt(colbert, "stanford")[1] == ()


def test_no_projection_is_the_identity(tmp_path: Path) -> None:
    head = dataclasses.replace(HEAD, projection=None)
    path = write(tiny.make(head, tokenizer=with_unused()), tmp_path / "out")
    tensors = safetensors.numpy.load_file(path / "model.safetensors")
    np.testing.assert_array_equal(tensors["linear.weight"], np.eye(16))
    assert folder.load(path).head == head
