import json

import pytest

from optical_jax.data import sample, sample_files
from optical_jax.models import folder as folder_lib
from optical_jax.models.head import HeadConfig


@pytest.fixture(scope="module")
def world():
    return sample.generate(
        pairs=300, triples=100, towns=4, persons=4, questions=30, dev_questions=10
    )


@pytest.fixture(scope="module")
def folder(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    sample_files.write(world, folder)
    return folder


def read_json_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_bitext_has_as_many_lines_on_both_sides(folder, world):
    sides = [
        (folder / name).read_text(encoding="utf-8").splitlines()
        for name in ("train.en", "train.x")
    ]
    assert list(zip(*sides, strict=True)) == [tuple(pair) for pair in world.bitext]


def test_triples_hold_a_list_of_negatives(folder):
    triples = read_json_lines(folder / "triples.jsonl")
    assert len(triples) == 100
    assert set(triples[0]) == {"query", "positive", "negatives"}
    assert len(triples[0]["negatives"]) == 2


@pytest.mark.parametrize("name", ["x-dev", "en-dev", "x-test", "en-test"])
def test_collection_is_a_beir_folder(folder, name):
    collection = folder / "collection"
    documents = {d["_id"] for d in read_json_lines(collection / "corpus.jsonl")}
    queries = {
        q["_id"] for q in read_json_lines(collection / "queries" / f"{name}.jsonl")
    }
    header, *judgments = (collection / "qrels" / f"{name}.tsv").read_text().splitlines()
    assert header.split("\t") == ["query-id", "corpus-id", "score"]
    assert {line.split("\t")[0] for line in judgments} == queries
    assert {line.split("\t")[1] for line in judgments} <= documents


def test_nothing_temporary_is_left(folder):
    assert [path for path in folder.rglob("*") if path.suffix == ".tmp"] == []


def test_untrained_encoder_loads_and_depends_on_its_seed(world, tmp_path):
    head = HeadConfig(document_length=64, query_marker="[Q] ", document_marker="[D] ")
    small = {"hidden_size": 16, "layers": 1, "heads": 2, "vocabulary": 400}
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        sample_files.write_untrained_encoder(world, tmp_path / name, **small, seed=seed)
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]
    tokenizers = [(tmp_path / name / "tokenizer.json").read_text() for name in "ab"]
    assert tokenizers[0] == tokenizers[1]
    loaded = folder_lib.load(tmp_path / "a", head=head)
    tokens = loaded.text.tokens(loaded.text.queries(["What governs?"])[0].ids)
    assert tokens[:2] == ["[CLS]", "[Q] "]
    assert tokens[-1] == "[SEP]"
    assert loaded.encoder.vocab_size == 400


def test_a_folder_with_content_is_not_overwritten(world, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="exists already"):
        sample_files.write_untrained_encoder(world, tmp_path)
