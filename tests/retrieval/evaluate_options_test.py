import dataclasses
from pathlib import Path

import pytest

from optical_jax import prepare
from optical_jax.data import collection as collection_lib
from optical_jax.data.clean import CleaningConfig
from optical_jax.retrieval.evaluate_options import Options
from optical_jax.retrieval.translation import Ibm1Config
from optical_jax.training import workdir
from tests.retrieval import world
from tests.training import tiny_run

C = Path("c")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "collection must name a folder, got none"),
        ({"qrels": C}, "collection must name a folder, got none"),
        ({"qrels": C, "runs": (C,), "collection": C}, "got both; leave one out"),
        (
            {"collection": C, "translations": (C,), "translate_command": "x"},
            "from files or from translate_command, got both",
        ),
        (
            {"collection": C, "runs": (Path("x/a.run"), Path("y/a.trec"))},
            "run files must have names that differ, got several 'a'",
        ),
    ],
)
def test_options_name_one_thing_to_measure(fields, message):
    with pytest.raises(ValueError, match=message):
        Options(**fields)


def test_encoders_are_loaded_where_there_is_nothing_else():
    for fields in ({"runs": (C,)}, {"bitext": "x"}, {"translate_command": "x"}):
        assert Options(collection=C, **fields).load_encoders() == (None, None)
    with pytest.raises(ValueError, match="document_encoder must name a retriever fold"):
        Options(collection=C).load_encoders()
    with pytest.raises(ValueError, match="document_encoder must name a retriever fold"):
        Options(collection=C, runs=(C,), query_encoder="q").load_encoders()


def test_the_bitext_is_that_of_the_run(tmp_path):
    tiny_run.write_inputs(tmp_path, pairs=30)
    config = tiny_run.config(tmp_path, tmp_path / "run")
    workdir.open_run(config)
    options = Options(collection=C, workdir=tmp_path / "run")
    said = []
    pairs = options.load_pairs(said.append)
    prepared = prepare.prepare_bitext(config)
    assert len(pairs) == len(prepared.split("train")) < 30
    assert not said
    named = Options(collection=C, bitext=str(prepared.directory))
    assert named.load_pairs(said.append) == pairs
    # The student's limit of length is not the lexicon's.
    short = dataclasses.replace(config.data, cleaning=CleaningConfig(max_characters=20))
    workdir.open_run(
        dataclasses.replace(config, data=short, workdir=str(tmp_path / "short"))
    )
    whole = Options(collection=C, workdir=tmp_path / "short")
    assert sorted(whole.load_pairs(said.append)) == sorted(pairs)
    cut = dataclasses.replace(whole, ibm1=Ibm1Config(max_characters=20))
    assert 0 < len(cut.load_pairs(said.append)) < len(pairs)
    none = Options(collection=C, workdir=tmp_path / "run", bitext="none")
    assert none.load_pairs(said.append) == []
    (tmp_path / "train.en").unlink()
    assert options.load_pairs(said.append) == []
    assert "the run's bitext is not there: " in said[0]
    assert "train.en" in said[0]


def test_translations_are_a_file_for_each_query_set(tmp_path):
    collection = collection_lib.load(world.write(tmp_path / "tiny"))
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"q1\t{name}\n")
    files = (tmp_path / "a", tmp_path / "b")
    both = {"queries": ("xx-test",), "tune_queries": ("en-test",), "collection": C}
    assert Options(**both, translations=files).load_translations(collection) == {
        "xx-test": {"q1": "a"},
        "en-test": {"q1": "b"},
    }
    one = Options(**both, translations=files[:1]).load_translations(collection)
    assert one == {"xx-test": {"q1": "a"}}
    assert Options(**both).load_translations(collection) == {}
    message = r"a file for each of queries, .* \(xx-test\), got 2"
    with pytest.raises(ValueError, match=message):
        Options(
            collection=C, queries=("xx-test",), translations=files
        ).load_translations(collection)
