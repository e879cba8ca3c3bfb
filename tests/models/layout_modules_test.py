"""Folders of sentence-transformers 6, as its own writer writes them; see tests/oracle too."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy

from optical_jax.models import folder, retriever
from tests.models import tiny

NEWER = dataclasses.replace(tiny.COLBERT, skiplist=("!", "?"))
_BASE = "sentence_transformers.base.modules"
# What sentence-transformers 6.2.0 wrote for a head like NEWER.
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": f"{_BASE}.transformer.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Dense", "type": f"{_BASE}.dense.Dense"},
    {
        "idx": 2,
        "name": "2",
        "path": "2_MultiVectorMask",
        "type": "sentence_transformers.multi_vector_encoder.modules.multi_vector_mask"
        ".MultiVectorMask",
    },
    {
        "idx": 3,
        "name": "3",
        "path": "3_Normalize",
        "type": f"{_BASE}.normalize.Normalize",
    },
]
SETTINGS = {
    "__version__": {"sentence_transformers": "6.2.0", "transformers": "5.23.0"},
    "default_prompt_name": None,
    "model_type": "MultiVectorEncoder",
    "prompts": {"document": "[D] ", "query": "[Q] "},
    "similarity_fn_name": None,
}
TRANSFORMER = {
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "document_length": 24,
    "query_expansion": {
        "strategy": "fixed",
        "attend": False,
        "token": None,
        "length": 16,
    },
}


@pytest.fixture(scope="module")
def model() -> retriever.Retriever:
    return tiny.make(NEWER)


@pytest.fixture
def native(model: retriever.Retriever, tmp_path: Path) -> Path:
    path = tmp_path / "native"
    folder.save(model, path, newer=True)
    for name, content in (
        ("modules.json", MODULES),
        ("config_sentence_transformers.json", SETTINGS),
        ("sentence_bert_config.json", TRANSFORMER),
    ):
        (path / name).write_text(json.dumps(content))
    return path


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_native_folder(native: Path, model: retriever.Retriever) -> None:
    read = folder.load(native)
    assert read.head == NEWER
    jax.tree.map(np.testing.assert_array_equal, read.params, model.params)


def test_ours_has_the_names_of_the_real_writer(
    model: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(model, tmp_path / "out", newer=True)
    found = json.loads((tmp_path / "out" / "modules.json").read_text())
    assert found == MODULES
    assert folder.load(tmp_path / "out").head == NEWER


def test_native_folder_leaves_in_the_names_that_pylate_knows(
    native: Path, tmp_path: Path
) -> None:
    folder.save(folder.load(native), tmp_path / "out")
    text = (tmp_path / "out" / "modules.json").read_text()
    assert "sentence_transformers.base" not in text
    assert "pylate.models.Dense.Dense" in text
    for name in ("model.safetensors", "1_Dense/model.safetensors"):
        before, after = (
            safetensors.numpy.load_file(root / name)
            for root in (native, tmp_path / "out")
        )
        assert before.keys() == after.keys()
        jax.tree.map(np.testing.assert_array_equal, before, after)


@pytest.mark.parametrize(
    "fields",
    [
        {"projection": None},
        {"expansion": False, "query_length": 20},
        {"attend_to_expansion": True},
        {"query_marker": None, "document_marker": None},
        {"skip_first": True, "skiplist": ()},
        {"projection_bias": True},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_round_trip(fields: dict[str, object], tmp_path: Path) -> None:
    written = tiny.make(dataclasses.replace(NEWER, **fields))
    folder.save(written, tmp_path / "out", newer=True)
    read = folder.load(tmp_path / "out")
    assert read.head == written.head
    jax.tree.map(np.testing.assert_array_equal, read.params, written.params)


def test_bias_in_pylates_layout(tmp_path: Path) -> None:
    written = tiny.make(dataclasses.replace(NEWER, projection_bias=True))
    folder.save(written, tmp_path / "out")
    read = folder.load(tmp_path / "out")
    assert read.head == written.head
    jax.tree.map(np.testing.assert_array_equal, read.params, written.params)


def test_blank_after_a_marker_that_is_a_token_without_it(native: Path) -> None:
    # What became of a Stanford checkpoint: the prompt is the token and a blank.
    edit(
        native / "config_sentence_transformers.json",
        prompts={"query": "[MASK] ", "document": ""},
    )
    head = folder.load(native).head
    assert (head.query_marker, head.document_marker) == ("[MASK]", None)


def test_prompt_of_several_tokens(native: Path) -> None:
    edit(
        native / "config_sentence_transformers.json",
        prompts={"query": "the word: ", "document": "[D] "},
    )
    head = folder.load(native).head
    assert (head.query_marker, head.query_prompt) == (None, "the word: ")
    assert (head.document_marker, head.document_prompt) == ("[D] ", "")


def test_lengths_that_are_not_stated_are_the_tokenizers(native: Path) -> None:
    (native / "sentence_bert_config.json").write_text("{}")
    head = folder.load(native).head
    assert (head.query_length, head.document_length, head.expansion) == (32, 32, False)


def drop_normalize(path: Path) -> None:
    (path / "modules.json").write_text(json.dumps(MODULES[:3]))


def change(name: str, **fields: object) -> Callable[[Path], None]:
    return lambda path: edit(path / name, **fields)


_MASK = "2_MultiVectorMask/config.json"
_EXPANSION = TRANSFORMER["query_expansion"]
REFUSED = {
    "no Normalize": (drop_normalize, "MultiVectorMask, Normalize, got Trans"),
    "images": (
        change(_MASK, keep_only_token_ids=[3]),
        "keep_only_token_ids must be null",
    ),
    "tasks": (change(_MASK, skiplist_tasks=["query"]), r"must be \['document'\], got"),
    "words of both": (
        change(_MASK, skiplist_tasks=["query", "document"]),
        r"must be the first token \['\[CLS\]'\] alone, got \['!', '\?'\]",
    ),
    "strategy": (
        change(
            "sentence_bert_config.json",
            query_expansion=_EXPANSION | {"strategy": "append"},
        ),
        "strategy 'fixed' and the mask token, got 'append'",
    ),
    "sentences": (
        change("3_Normalize/config.json", module_input_name="sentence_embedding"),
        "module_input_name must be 'token_embeddings'",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused(name: str, native: Path) -> None:
    spoil, message = REFUSED[name]
    spoil(native)
    with pytest.raises(ValueError, match=message):
        folder.load(native)


def test_one_list_of_words_only(tmp_path: Path) -> None:
    both = tiny.make(dataclasses.replace(NEWER, skip_first=True))
    with pytest.raises(
        ValueError, match="holds a multi-vector head with a skip list or"
    ):
        folder.save(both, tmp_path / "out", newer=True)
    with pytest.raises(ValueError, match="got head.kind='single-vector'"):
        folder.save(tiny.make(tiny.POOLED), tmp_path / "out", newer=True)
