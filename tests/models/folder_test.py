import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from optical_jax.models import folder, layout, retriever
from optical_jax.models.head import HeadConfig
from tests.models import tiny
from tests.models.edits import edit, edit_tensors


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


def test_prompts_by_the_names_of_sentence_transformers(
    pooled: retriever.Retriever, tmp_path: Path
) -> None:
    folder.save(pooled, tmp_path / "out")
    settings = tmp_path / "out" / "config_sentence_transformers.json"
    # Gemma's embedding model names more tasks, E5's folders name none.
    prompts = {"query": "who: ", "passage": "text: ", "sts": "other: "}
    edit(settings, prompts=prompts)
    read = folder.load(tmp_path / "out")
    assert (read.head.query_prompt, read.head.document_prompt) == ("who: ", "text: ")
    edit(settings, prompts={"sts": "other: "}, default_prompt_name="sts")
    head = folder.load(tmp_path / "out").head
    assert (head.query_prompt, head.document_prompt) == ("other: ", "other: ")
    by_hand = pooled.text.queries(["who: book"])
    for one, other in zip(read.text.queries(["book"]), by_hand, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)


def test_linear_layers_after_each_other_are_one(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    # As in Gemma's embedding model: wider, then narrower, neither with a bias.
    head = dataclasses.replace(tiny.POOLED, projection=8)
    made = tiny.make(head)
    folder.save(made, tmp_path / "out")
    first, last = rng.normal(size=(24, 16)), rng.normal(size=(8, 24))
    layers = {"2_Dense": first, "3_Dense": last}
    (tmp_path / "out" / "3_Dense").mkdir()
    for name, weight in layers.items():
        fields = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
        fields |= {"bias": False, "activation_function": layout.IDENTITY}
        (tmp_path / "out" / name / "config.json").write_text(json.dumps(fields))
        safetensors.numpy.save_file(
            {"linear.weight": weight.astype(np.float32)},
            tmp_path / "out" / name / "model.safetensors",
        )
    listed = tmp_path / "out" / "modules.json"
    modules = json.loads(listed.read_text())
    dense = next(m for m in modules if m["path"] == "2_Dense")
    modules.insert(modules.index(dense) + 1, {**dense, "idx": 3, "path": "3_Dense"})
    listed.write_text(json.dumps(modules))
    read = folder.load(tmp_path / "out")
    assert read.head == head
    kernel = read.params["projection"]["kernel"][...]
    np.testing.assert_allclose(kernel, (last @ first).T, rtol=1e-4, atol=1e-5)
    edit(tmp_path / "out" / "3_Dense" / "config.json", bias=True)
    with pytest.raises(ValueError, match=r"none has a bias, got bias=\[False, True\]"):
        folder.load(tmp_path / "out")


def test_head_of_the_caller_wins(colbert: retriever.Retriever, tmp_path: Path) -> None:
    folder.save(colbert, tmp_path / "out")
    head = HeadConfig(projection=8, query_length=5, document_length=6)
    read = folder.load(tmp_path / "out", head=head)
    assert read.head == head
    np.testing.assert_array_equal(
        read.params["projection"]["kernel"][...],
        colbert.params["projection"]["kernel"][...],
    )


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
