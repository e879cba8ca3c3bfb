import io

import pytest
import rich.console

from optical_jax.retrieval import bias, parallel
from optical_jax.retrieval.record import Row
from optical_jax.retrieval.tasks import Task

QRELS = {"1": {"x": 1}, "2": {"y": 1}}
RUNS = {
    "en": {"1": {"x": 2.0, "a": 1.0}, "2": {"y": 2.0, "a": 1.0}},
    "mr": {"1": {"a": 2.0, "x": 1.0}, "2": {"y": 2.0, "b": 1.0}},
    "hi": {"1": {"a": 2.0}, "2": {"b": 2.0, "y": 1.0}},
}


def _task(name, qrels=QRELS):
    texts = dict.fromkeys(qrels, "?")
    topline = Task(queries="en", texts=texts, qrels=qrels)
    return Task(queries=name, texts=texts, qrels=qrels, topline=topline)


TASKS = [_task("mr"), _task("hi")]


def _row(method, query_set, queries=None, run=None):
    queries = queries or query_set
    return Row(
        collection="c",
        query_set=query_set,
        queries=queries,
        method=method,
        seed=0,
        run=RUNS[queries] if run is None else run,
        per_query={"R@1": dict.fromkeys(QRELS, 0.0)},
    )


ROWS = [
    _row("bm25", "mr", run=RUNS["hi"]),
    _row("student", "mr"),
    _row("bm25-topline", "mr", "en", run=RUNS["mr"]),
    _row("topline", "mr", "en"),
    _row("bm25", "hi"),
    _row("student", "hi"),
    _row("topline", "hi", "en"),
]


def test_a_method_is_measured_over_its_query_sets():
    wanted = parallel.groups(["mr, hi"], TASKS)
    found = parallel.measure(ROWS, wanted, TASKS)
    assert list(found) == ["mr, hi"]
    assert list(found["mr, hi"]) == ["bm25", "student"]
    expected = bias.measure({k: RUNS[k] for k in ("mr", "hi")}, QRELS)
    assert found["mr, hi"]["student"] == expected


def test_the_topline_answers_in_the_documents_language():
    found = parallel.measure(ROWS, parallel.groups(["en,mr,hi"], TASKS), TASKS)
    student = found["en, mr, hi"]["student"]
    assert student == bias.measure(RUNS, QRELS)
    lexical = found["en, mr, hi"]["bm25"]
    assert lexical == bias.measure(
        {"en": RUNS["mr"], "mr": RUNS["hi"], "hi": RUNS["hi"]}, QRELS
    )


def test_a_method_that_lacks_a_query_set_is_left_out():
    rows = [row for row in ROWS if (row.method, row.query_set) != ("bm25", "hi")]
    found = parallel.measure(rows, parallel.groups(["mr,hi"], TASKS), TASKS)
    assert list(found["mr, hi"]) == ["student"]


def test_the_table_names_methods_and_numbers():
    found = parallel.measure(ROWS, parallel.groups(["en,mr,hi"], TASKS), TASKS)
    console = rich.console.Console(file=io.StringIO(), width=200)
    (group, by_method) = next(iter(found.items()))
    console.print(parallel.table(group, by_method))
    told = console.file.getvalue()
    assert "language bias between en, mr, hi, 2 queries each" in told
    assert "rank hi" in told
    student = by_method["student"]
    (line,) = [x for x in told.splitlines() if x.strip().startswith("student")]
    assert line.split()[1] == f"{student.max_rank_distance:.1f}"


@pytest.mark.parametrize("given", ["mr", "mr,mr", "mr,sw"])
def test_unknown_or_single_query_sets_are_named(given):
    with pytest.raises(ValueError, match=r"two or more .* \(en, mr, hi\).* got '"):
        parallel.groups([given], TASKS)


def test_other_query_ids_are_no_parallel():
    tasks = [TASKS[0], _task("other", {"7": {"x": 1}})]
    with pytest.raises(ValueError, match=r"same query ids, got other ones in 'other'"):
        parallel.groups(["mr,other"], tasks)
