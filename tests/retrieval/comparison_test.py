import dataclasses

import pytest

from optical_jax.retrieval import comparison, methods, tasks

IDS = [f"q{i}" for i in range(8)]
QRELS = {q: {"right": 1} for q in IDS}
TASK = tasks.Task(queries="xx", texts=dict.fromkeys(IDS, "x"), qrels=QRELS)
RIGHT = {q: {"right": 2.0, "wrong": 1.0} for q in IDS}
WRONG = {q: {"wrong": 2.0, "right": 1.0} for q in IDS}


def measure(runs, tasks=(TASK,), **options):
    found = methods.of_runs(runs)
    return comparison.measure(found, tasks, collection="tiny", samples=300, **options)


def pairs(evaluation):
    return {(r.a, r.b) for r in evaluation.significance["xx"].results}


def test_rows_have_measures_runs_and_details():
    found = methods.with_fusion(
        methods.of_runs({"a": RIGHT, "b": WRONG}), ["a", "b"], tasks=[TASK]
    )
    evaluation = comparison.measure(found, [TASK], collection="tiny", seed=7)
    rows = {row.method: row for row in evaluation.rows}
    assert rows["a"].measures["R@1"] == 1.0
    assert rows["b"].measures["R@1"] == 0.0
    assert rows["b"].measures["RR@10"] == 0.5
    assert rows["a"].run == RIGHT
    assert rows["a+b"].details["weights"] == {"a": 0.5, "b": 0.5}
    assert {(r.collection, r.query_set, r.queries, r.seed) for r in rows.values()} == {
        ("tiny", "xx", "xx", 7)
    }


def test_few_methods_are_compared_all_with_all():
    six = dict.fromkeys(("a", "b", "c", "d", "e", "student"), RIGHT)
    assert len(pairs(measure(six))) == 15
    seven = {"f": WRONG, **six}
    assert pairs(measure(seven)) == {(name, "student") for name in "fabcde"}
    compared = measure(seven).significance["xx"]
    assert compared.correction == "Holm, family of 42 with student"
    assert len(pairs(measure(seven, baseline="all"))) == 21
    assert pairs(measure(six, baseline="b")) == {
        ("a", "b"),
        *(("b", name) for name in ("c", "d", "e", "student")),
    }
    others = dict.fromkeys("abcdefg", RIGHT)
    assert len(pairs(measure(others))) == 21


def test_unanswered_queries_count_0_and_are_compared():
    evaluation = measure({"a": RIGHT, "b": {"q0": {"right": 1.0}}})
    assert evaluation.rows[1].measures["R@1"] == 1 / 8
    assert evaluation.significance["xx"].queries == 8


def test_other_query_ids_are_measured_but_not_compared():
    other = tasks.Task(queries="en", texts={"e1": "x"}, qrels={"e1": {"right": 1}})
    task = dataclasses.replace(TASK, topline=other)
    found = [
        *methods.of_runs({"a": RIGHT, "b": WRONG}),
        methods.Method(
            name="t", search=lambda task: {"e1": {"right": 1.0}}, given="topline"
        ),
    ]
    evaluation = comparison.measure(found, [task], collection="tiny", samples=300)
    assert evaluation.rows[2].measures["R@1"] == 1.0
    assert evaluation.rows[2].queries == "en"
    assert pairs(evaluation) == {("a", "b")}
    with pytest.raises(ValueError, match="'t' must have the query ids of 'xx'"):
        comparison.measure(found, [task], collection="tiny", baseline="t")


def test_bad_names():
    with pytest.raises(ValueError, match="names that differ, at least one; got 0"):
        measure({})
    twice = methods.of_runs({"a": RIGHT}) * 2
    with pytest.raises(ValueError, match="names that differ, at least one; got a, a"):
        comparison.measure(twice, [TASK], collection="tiny")
    with pytest.raises(ValueError, match="baseline must be one of all, a, b, got 'c'"):
        measure({"a": RIGHT, "b": WRONG}, baseline="c")
