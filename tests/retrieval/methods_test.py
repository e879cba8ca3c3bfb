import dataclasses

import pytest

from optical_jax.data import collection as collection_lib
from optical_jax.data.sources import Pair
from optical_jax.retrieval import bm25, fusion, methods, tasks
from optical_jax.retrieval.fusion import FusionConfig
from optical_jax.retrieval.searcher import Searcher
from tests.models import tiny
from tests.retrieval import world

PAIRS = [Pair("who wrote the book", "habari book"), Pair("the word", "dunia")]
A = {"q1": {"d1": 3.0, "d2": 1.0}, "q2": {"d3": 1.0}, "q3": {"d2": 1.0}}
B = {"q1": {"d2": 9.0, "d4": 5.0}, "q2": {"d4": 1.0}, "q3": {"d1": 1.0}}
TASK = tasks.Task(queries="xx-test", texts=world.QUERIES["xx-test"], qrels=world.QRELS)


@pytest.fixture
def searcher(tmp_path):
    return Searcher(
        collection=collection_lib.load(world.write(tmp_path / "tiny")),
        document_encoder=None,
        bm25=bm25.Bm25Config(),
        cache=tmp_path / "cache",
        depth=10,
        batch_size=4,
        mesh=None,
        told=lambda *_: None,
    )


def given(found):
    return {method.name: method.given for method in found}


def test_methods_name_who_gets_which_queries(searcher):
    teacher = tiny.make(tiny.TOKENWISE)
    dense = dataclasses.replace(searcher, document_encoder=teacher)
    everything = methods.of_collection(
        dense, query_encoder=teacher, pairs=PAIRS, translations=True, topline=True
    )
    assert given(everything) == {
        "bm25": "queries",
        "ibm1+bm25": "queries",
        "mt+bm25": "translation",
        "zero-shot": "queries",
        "mt+teacher": "translation",
        "student": "queries",
        "bm25-topline": "topline",
        "topline": "topline",
    }
    assert list(given(methods.of_collection(dense))) == ["bm25", "zero-shot"]
    lexical = methods.of_collection(searcher, topline=True, translations=True)
    assert list(given(lexical)) == ["bm25", "mt+bm25", "bm25-topline"]


def test_word_translations_find_what_the_words_do_not(searcher):
    plain, translated = methods.of_collection(searcher, pairs=PAIRS)
    task = dataclasses.replace(TASK, texts={"q1": "dunia"}, qrels={"q1": {"d2": 1}})
    # d2 has "the word" and dunia, which may be a name; d3 and d4 dunia alone; d1 "the".
    assert list(translated.search(task)["q1"]) == ["d2", "d3", "d4", "d1"]
    assert set(plain.search(task)["q1"]) == {"d2", "d3", "d4"}
    assert translated.search(task) is translated.search(task)
    assert translated.details(task)["pairs"] == 2
    assert translated.details(task)["method"] == "weighted"
    assert plain.details(task) == {}


def test_a_run_is_looked_up():
    (method,) = methods.of_runs({"a": A | {"q9": {"d1": 1.0}}}, unjudged="skip")
    assert method.search(TASK) == A
    (method,) = methods.of_runs({"a": A | {"q9": {"d1": 1.0}}})
    assert method.search(TASK).keys() == {"q1", "q2", "q3", "q9"}
    (method,) = methods.of_runs({"a": {"q9": {"d1": 1.0}}})
    with pytest.raises(ValueError, match="run 'a' must hold queries .* none among 1"):
        method.search(TASK)


def test_two_fusions_are_appended():
    found = methods.with_fusion(
        methods.of_runs({"a": A, "b": B}), ["a", "b"], tasks=[TASK]
    )
    assert list(given(found)) == ["a", "b", "a+b", "a+b-rrf"]
    _, _, weighted, ranks = found
    assert weighted.search(TASK) == fusion.weighted([A, B])
    assert ranks.search(TASK) == fusion.reciprocal_rank([A, B])
    assert weighted.details(TASK) == {
        "weights": {"a": 0.5, "b": 0.5},
        "normalization": "min-max",
    }
    (_, _, weighted, _) = methods.with_fusion(
        found[:2],
        ["b", "a"],
        tasks=[TASK],
        config=FusionConfig(weights=(1.0, 3.0), normalization="z"),
        depth=1,
    )
    assert weighted.search(TASK) == fusion.weighted(
        [B, A], [1.0, 3.0], normalization="z", depth=1
    )
    assert weighted.details(TASK)["weights"] == {"b": 1.0, "a": 3.0}


def test_student_and_word_translations_are_fused_unasked():
    both = methods.of_runs({"ibm1+bm25": A, "student": B})
    found = methods.with_fusion(both, tasks=[TASK])
    assert list(given(found))[2:] == ["fusion", "fusion-rrf"]
    assert found[2].search(TASK) == fusion.weighted([B, A])
    assert methods.with_fusion(both[:1], tasks=[TASK]) == both[:1]


def test_weights_are_chosen_on_other_queries():
    dev = tasks.Task(queries="dev", texts={"e1": "x"}, qrels={"e1": {"d1": 1}})
    task = dataclasses.replace(TASK, tune=dev)
    runs = {
        "a": A | {"e1": {"d1": 2.0, "d3": 1.9, "d2": 1.0}},
        "b": B | {"e1": {"d3": 2.0, "d1": 1.5, "d2": 1.0}},
    }
    parts = methods.of_runs(runs, unjudged="skip")
    (_, _, weighted, _) = methods.with_fusion(parts, ["a", "b"], tasks=[task])
    details = weighted.details(task)
    assert (details["tuned_on"], details["tuned_by"]) == ("dev", "nDCG@10")
    assert details["weights"]["a"] > 0.5
    expected = fusion.weighted([A, B], list(details["weights"].values()))
    assert weighted.search(task) == expected


@pytest.mark.parametrize(
    ("names", "weights", "message"),
    [
        (["a", "c"], (), r"fuse must name two or more .* \(a, b\), got a c"),
        (["a"], (), "fuse must name two or more"),
        (["a", "a"], (), "fuse must name two or more"),
        (["a", "b"], (1.0,), r"one for each method fused \(a, b\), got 1"),
    ],
)
def test_bad_fusions(names, weights, message):
    parts = methods.of_runs({"a": A, "b": B})
    with pytest.raises(ValueError, match=message):
        methods.with_fusion(
            parts, names, tasks=[TASK], config=FusionConfig(weights=weights)
        )


def test_fused_methods_must_answer_the_same_queries(searcher):
    found = methods.of_collection(searcher, topline=True)
    own = tasks.Task(queries="en", texts={"e1": "x"}, qrels={"e1": {"d1": 1}})
    names = ["bm25", "bm25-topline"]
    with pytest.raises(ValueError, match="'xx-test' must have a topline, got none"):
        methods.with_fusion(found, names, tasks=[TASK])
    other = dataclasses.replace(TASK, topline=own)
    with pytest.raises(ValueError, match="other query ids .* for 'bm25-topline'"):
        methods.with_fusion(found, names, tasks=[other])
