import io
import json

import pytest
import rich.console

from optical_jax.retrieval import measures, record, significance, trec


@pytest.fixture
def evaluation():
    ids = [f"q{i}" for i in range(12)]
    qrels = {q: {"d1": 1} for q in ids}
    runs = {
        "bm25": {q: {"d2": 2.0} for q in ids},
        "student": {q: {"d1": 2.0, "d2": 2.0} for q in ids},
    }
    rows = [
        record.Row(
            collection="tiny",
            query_set="xx-test",
            queries="xx-test",
            method=method,
            seed=3,
            run=run,
            per_query=measures.per_query(run, qrels, names=["R@1", "RR@10"]),
        )
        for method, run in runs.items()
    ]
    compared = significance.compare({row.method: row.per_query for row in rows})
    return record.Evaluation(
        rows=rows, significance={"xx-test": compared}, seconds=1.25
    )


def test_the_record_follows_the_schema(evaluation, tmp_path):
    content = record.as_json(evaluation, name="x", command="python", config={"k": 1})
    path = record.write(tmp_path, evaluation, content)
    assert path == tmp_path / "x.json"
    read = json.loads(path.read_text())
    assert list(read) == [
        "name",
        "command",
        "config",
        "commit",
        "date",
        "machine",
        "seconds",
        "rows",
        "significance",
    ]
    assert read["rows"][1] == {
        "collection": "tiny",
        "queries": "xx-test",
        "method": "student",
        "seed": 3,
        "measures": {"R@1": 1.0, "RR@10": 1.0},
    }
    compared = read["significance"]["xx-test"]
    assert compared["correction"] == "Holm, family of 2"
    assert compared["results"][0]["p_value"] == pytest.approx(2 / 4096)


def test_runs_and_per_query_measures_lie_beside_it(evaluation, tmp_path):
    content = record.as_json(evaluation, name="x", command="python", config={})
    record.write(tmp_path, evaluation, content)
    run = trec.read_run(tmp_path / "x" / "xx-test.student.run")
    assert list(run["q0"]) == ["d1", "d2"]
    lines = (tmp_path / "x" / "xx-test.per_query.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["query_id", "method", "R@1", "RR@10"]
    assert lines[1].split("\t") == ["q0", "bm25", "0", "0"]
    assert len(lines) == 1 + 2 * 12
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_table_marks_who_is_better_and_names_the_test(evaluation):
    console = rich.console.Console(width=120, record=True, file=io.StringIO())
    console.print(record.table(evaluation, "xx-test"))
    text = console.export_text()
    assert "tiny, xx-test, 12 queries" in text
    student = next(line for line in text.splitlines() if "b student" in line)
    assert student.count("1.000a") == 2
    assert "0.000 " in next(line for line in text.splitlines() if "a bm25" in line)
    joined = " ".join(text.split())
    assert "paired two-sided permutation test (sign flips, exact)" in joined
    assert "4,096 assignments, seed 0; Holm, family of 2 comparisons" in joined
