import dataclasses

import pytest
import yaml

from optical_jax.models import card, formats
from tests.models import tiny

ROW = {
    "collection": "afriqa",
    "queries": "swa-test",
    "method": "student",
    "seed": 0,
    "measures": {"R@10": 0.89123, "RR@10": 0.77},
}
FACTS = card.Facts(
    name='student: of "many" words',
    languages=("sw", "no"),
    license="apache-2.0",
    base_model="owner/encoder",
    document_encoder="owner/encoder",
    sources={"bible": {"read": 7810, "copies": 10, "train": 7644}},
    config={
        "workdir": "/home/someone/run",
        "steps": 100,
        "data": {"batch_size": 64, "root": "/home/someone/texts"},
        "objective": {"epsilon": 0.05},
    },
    results=(ROW, ROW | {"method": "bm25", "measures": {"R@10": 0.454}}),
    limits=("One limit.",),
)


def header(text: str) -> dict:
    _, block, _ = text.split("---\n", 2)
    return yaml.safe_load(block)


def test_header_is_yaml_and_says_what_it_was_given() -> None:
    found = header(card.render(FACTS, tiny.COLBERT, "pylate"))
    assert found["language"] == ["sw", "no"]  # not the YAML boolean
    assert found["license"] == "apache-2.0"
    assert found["base_model"] == "owner/encoder"
    assert found["library_name"] == "PyLate"
    assert "ColBERT" in found["tags"]


def test_measures_are_one_table() -> None:
    text = card.render(FACTS, tiny.COLBERT, "pylate")
    assert "| collection | queries | method | seed | R@10 | RR@10 |" in text
    assert "| afriqa | swa-test | student | 0 | 0.891 | 0.770 |" in text
    assert "| afriqa | swa-test | bm25 | 0 | 0.454 |  |" in text


def test_training_data_and_settings_without_paths() -> None:
    text = card.render(FACTS, tiny.COLBERT, "pylate")
    assert "| bible | 7810 | 7644 |" in text
    assert '"epsilon": 0.05' in text
    assert '"data.batch_size": 64' in text
    assert "someone" not in text


def test_what_is_not_known_is_not_stated() -> None:
    text = card.render(card.Facts(name="x"), tiny.COLBERT, "pylate")
    assert set(header(text)) == {"library_name", "tags"}
    assert "## Training" not in text
    assert "## Measures" not in text
    assert "No measures were given" in text


def test_head_is_described() -> None:
    text = card.render(FACTS, tiny.COLBERT, "pylate")
    assert "| markers | `[Q] `, `[D] ` |" in text
    assert "| query expansion | yes |" in text
    assert "searched as it is" in text
    bare = dataclasses.replace(FACTS, document_encoder=None)
    text = card.render(bare, tiny.TOKENWISE, "pylate")
    assert "| markers | none, none |" in text
    assert "searched as it is" not in text


@pytest.mark.parametrize(
    ("layout", "reader"),
    [
        ("pylate", "MultiVectorEncoder("),
        ("pylate", "models.ColBERT("),
        ("single-vector", "SentenceTransformer("),
        ("encoder", "AutoModel.from_pretrained("),
    ],
)
def test_use_names_the_readers_of_the_layout(layout: formats.Name, reader: str) -> None:
    head = tiny.POOLED if layout == "single-vector" else tiny.COLBERT
    assert reader in card.render(FACTS, head, layout)


def test_lengths_that_sentence_transformers_does_not_tell_apart() -> None:
    head = dataclasses.replace(tiny.POOLED, query_length=16)
    text = card.render(FACTS, head, "single-vector")
    assert "cuts queries at 24 tokens, optical_jax at 16" in text
    text = card.render(FACTS, tiny.POOLED, "single-vector")
    assert "has one length" not in text


def test_only_a_run_is_said_to_be_trained_here() -> None:
    assert "retriever trained with" in card.render(FACTS, tiny.COLBERT, "pylate")
    without = dataclasses.replace(FACTS, config=None)
    assert "retriever exported with" in card.render(without, tiny.COLBERT, "pylate")
