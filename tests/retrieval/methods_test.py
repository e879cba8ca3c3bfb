import dataclasses

import pytest

from optical_jax.data import collection as collection_lib
from optical_jax.retrieval import methods
from tests.models import tiny
from tests.retrieval import world


@pytest.fixture
def collection(tmp_path):
    return collection_lib.load(world.write(tmp_path / "tiny"))


def only(collection, *names, topline=(), **options):
    return list(methods.tasks(collection, names, topline, **options))


def test_methods_name_who_gets_which_queries(collection):
    (task,) = only(collection, "xx-test", topline=["en-test"])
    teacher, student = tiny.make(tiny.TOKENWISE), tiny.make(tiny.TOKENWISE, seed=1)
    assert task.methods(document_encoder=teacher, query_encoder=student) == {
        "bm25": ("xx-test", None),
        "zero-shot": ("xx-test", teacher),
        "student": ("xx-test", student),
        "bm25-topline": ("en-test", None),
        "topline": ("en-test", teacher),
    }
    (task,) = only(collection, "xx-test")
    found = task.methods(document_encoder=teacher, query_encoder=None)
    assert list(found) == ["bm25", "zero-shot"]


def test_an_unknown_query_set_lists_what_there_is(collection):
    with pytest.raises(ValueError, match="no query set 'yy'; it has en-test, xx-test"):
        only(collection, "yy")
    with pytest.raises(ValueError, match="no query set 'yy'; it has en-test, xx-test"):
        only(collection, "xx-test", topline=["yy"])
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
    (task,) = only(renamed, "xx-test", topline=["en-test"])
    assert task.qrels == world.QRELS
    assert task.topline_qrels == {"e1": {"d1": 1}}
    (task,) = only(collection, "xx-test", topline=["en-test"])
    assert task.topline_qrels == world.QRELS


def test_each_query_set_needs_its_topline(collection):
    with pytest.raises(
        ValueError, match="one query set for each of queries, got 1 for"
    ):
        only(collection, "xx-test", "en-test", topline=["en-test"])


def test_encoders_must_fit_each_other():
    teacher = tiny.make(tiny.TOKENWISE)
    methods.check_encoders(None, teacher)
    methods.check_encoders(teacher, teacher)
    with pytest.raises(ValueError, match="same width, got 8 and 16; use the document"):
        methods.check_encoders(tiny.make(tiny.COLBERT), teacher)
    with pytest.raises(
        ValueError, match="got single-vector and multi-vector; set head"
    ):
        methods.check_encoders(tiny.make(tiny.POOLED), teacher)
