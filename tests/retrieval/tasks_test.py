import dataclasses

import pytest

from optical_jax.data import collection as collection_lib
from optical_jax.retrieval import tasks
from tests.retrieval import world


@pytest.fixture
def collection(tmp_path):
    return collection_lib.load(world.write(tmp_path / "tiny"))


def only(collection, *names, **options):
    return tasks.of_collection(collection, names, **options)


def test_a_task_has_its_queries_in_every_wording(collection):
    translated = {"xx-test": {"q1": "hello book", "q2": "world", "q3": "?"}}
    (task,) = only(
        collection, "xx-test", topline_queries=["en-test"], translations=translated
    )
    assert task.worded("queries") is task
    assert task.texts == world.QUERIES["xx-test"]
    assert task.worded("topline").texts == world.QUERIES["en-test"]
    assert task.worded("topline").queries == "en-test"
    assert task.worded("translation").texts == translated["xx-test"]
    assert task.worded("translation").queries == "xx-test"
    (task,) = only(collection, "xx-test")
    with pytest.raises(ValueError, match="'xx-test' must have a translation, got none"):
        task.worded("translation")


def test_an_unknown_query_set_lists_what_there_is(collection):
    with pytest.raises(ValueError, match="no query set 'yy'; it has en-test, xx-test"):
        only(collection, "yy")
    with pytest.raises(ValueError, match="no query set 'yy'; it has en-test, xx-test"):
        only(collection, "xx-test", topline_queries=["yy"])
    with pytest.raises(ValueError, match="at least one query set, got none"):
        only(collection)


def test_missing_qrels_are_named(tmp_path):
    folder = world.write(tmp_path / "tiny")
    (folder / "qrels" / "xx-test.tsv").unlink()
    with pytest.raises(ValueError, match="no relevance judgments for 'xx-test'"):
        only(collection_lib.load(folder), "xx-test")


def test_a_query_without_qrels(tmp_path):
    qrels = {"q1": {"d1": 1}, "q2": {"d2": 0}}
    collection = collection_lib.load(world.write(tmp_path / "tiny", qrels=qrels))
    message = r"every query of 'xx-test' .*, got none for 2 of 3 \(q2, q3\)"
    with pytest.raises(ValueError, match=message):
        only(collection, "xx-test")
    (task,) = only(collection, "xx-test", unjudged="skip")
    assert task.qrels == {"q1": {"d1": 1}}
    assert task.texts == {"q1": "habari book"}


def test_qrels_of_other_queries(tmp_path):
    qrels = world.QRELS | {"q9": {"d1": 1}}
    collection = collection_lib.load(world.write(tmp_path / "tiny", qrels=qrels))
    with pytest.raises(ValueError, match=r"its own queries, got 1 that .* \(q9\)"):
        only(collection, "xx-test")
    (task,) = only(collection, "xx-test", unjudged="skip")
    assert list(task.qrels) == ["q1", "q2", "q3"]


def test_nothing_to_measure(tmp_path):
    qrels = {"q1": {"d1": 0}}
    collection = collection_lib.load(world.write(tmp_path / "tiny", qrels=qrels))
    with pytest.raises(ValueError, match="a query with a relevant document, got none"):
        only(collection, "xx-test", unjudged="skip")


def test_an_empty_collection(collection):
    empty = dataclasses.replace(collection, doc_ids=[], documents=[])
    with pytest.raises(ValueError, match="tiny must have documents, got none"):
        only(empty, "xx-test")


def test_topline_queries_of_other_ids_have_their_own_qrels(collection):
    renamed = dataclasses.replace(
        collection,
        queries_of=dict(collection.queries_of) | {"en-test": {"e1": "who"}},
        qrels_of=dict(collection.qrels_of) | {"en-test": {"e1": {"d1": 1}}},
    )
    (task,) = only(renamed, "xx-test", topline_queries=["en-test"])
    assert task.qrels == world.QRELS
    assert task.topline.qrels == {"e1": {"d1": 1}}
    (task,) = only(collection, "xx-test", topline_queries=["en-test"])
    assert task.topline.qrels == world.QRELS


@pytest.mark.parametrize("option", ["topline_queries", "tune_queries"])
def test_each_query_set_needs_its_other_one(collection, option):
    with pytest.raises(ValueError, match=f"{option} must name one .*, got 1 for 2"):
        only(collection, "xx-test", "en-test", **{option: ["en-test"]})


def test_weights_are_never_chosen_on_the_queries_measured(collection):
    (task,) = only(collection, "xx-test", tune_queries=["en-test"])
    assert task.tune.texts == world.QUERIES["en-test"]
    message = r"other queries than are measured, got 3 of 'xx-test' in 'xx-test' \(q1"
    with pytest.raises(ValueError, match=message):
        only(collection, "xx-test", tune_queries=["xx-test"])


def test_every_query_must_be_translated(collection):
    message = r"every query of 'xx-test' must be translated, .* 2 of 3 \(q2, q3\)"
    with pytest.raises(ValueError, match=message):
        only(collection, "xx-test", translations={"xx-test": {"q1": "hello"}})


def test_a_judgments_file_is_a_task_of_no_texts(tmp_path):
    path = tmp_path / "dev.qrels.gz"
    path.write_text("q1 0 d1 1\nq2 0 d1 0\n")
    with pytest.raises(ValueError, match=r"'dev' must have .* \(q2\)"):
        tasks.of_qrels(path)
    task = tasks.of_qrels(path, unjudged="skip")
    assert (task.queries, task.texts, task.qrels) == (
        "dev",
        {},
        {"q1": {"d1": 1}},
    )
