import json
import re

import numpy as np
import pytest

from optical_jax import heatmap, report

MEASURES = {"R@1": 0.4, "R@10": 0.8}


def row(method, *, queries="x-test", seed=0, collection="sample", measures=MEASURES):
    return {
        "collection": collection,
        "queries": queries,
        "method": method,
        "seed": seed,
        "measures": measures,
    }


def write_results(path, rows, **fields):
    path.write_text(json.dumps({"name": "sample", "rows": rows, **fields}))
    return path


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.jsonl"
    records = [
        {"step": 10, "loss": 2.0, "pairs_per_second": 90.0, "resumed": True},
        {"step": 20, "loss": 1.0, "pairs_per_second": 99.0, "validation/R@1": 0.5},
    ]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


@pytest.fixture
def plan():
    return heatmap.SentencePlan(
        plan=np.array([[0.5, 0.0], [0.0, 0.5]]),
        student_tokens=["mto", "<b>"],
        teacher_tokens=["river", "."],
        student_text="mto <b>",
        teacher_text="river .",
    )


def test_page_holds_table_and_figures_in_itself(tmp_path, metrics, plan):
    results = write_results(
        tmp_path / "results.json",
        [row("bm25"), row("topline", queries="en-test", measures={"R@10": 0.9})],
        command="python -m optical_jax.demo --seed <1>",
        seconds=12.3,
    )
    page = report.write_report(
        tmp_path / "report",
        title="A & B",
        lead="One < two.",
        results=results,
        runs={"teacher": metrics},
        plans=[plan],
    )
    text = page.read_text(encoding="utf-8")
    assert "<h1>A &amp; B</h1>" in text
    assert "One &lt; two." in text
    assert "--seed &lt;1&gt;</code>, 12 s" in text
    assert re.search(r"bm25</td>.*x-test</td><td>0.400</td><td>0.800</td>", text)
    assert re.search(r"topline</td>.*en-test</td><td>–</td><td>0.900</td>", text)
    assert text.count("data:image/png;base64,") == 3
    assert 'src="http' not in text
    assert "mto &lt;b&gt;" in text
    names = {path.name for path in page.parent.iterdir()}
    assert names == {"index.html", "curves.png", "measures.png", "plan.png"}


def test_seeds_become_a_mean(tmp_path):
    rows = [
        row("student", seed=s, measures={"R@1": v}) for s, v in enumerate((0.2, 0.4))
    ]
    page = report.write_report(
        tmp_path / "out", title="t", results=write_results(tmp_path / "r.json", rows)
    )
    assert "student, mean of 2 seeds" in page.read_text(encoding="utf-8")
    assert "<td>0.300</td>" in page.read_text(encoding="utf-8")


def test_methods_on_several_query_sets_and_collections_stay_apart(tmp_path):
    rows = [
        row("student", measures={"R@1": 0.1}),
        row("student", queries="x-dev", measures={"R@1": 0.2}),
        row("student", collection="other", measures={"R@1": 0.3}),
    ]
    page = report.write_report(
        tmp_path / "out", title="t", results=write_results(tmp_path / "r.json", rows)
    )
    text = page.read_text(encoding="utf-8")
    assert all(f"<td>0.{i}00</td>" in text for i in (1, 2, 3))
    assert "student (x-dev)" in text
    assert (page.parent / "measures-2.png").stat().st_size > 1000


def test_metrics_are_read_as_series(metrics):
    series = report.read_metrics(metrics)
    assert series["loss"] == ([10, 20], [2.0, 1.0])
    assert series["validation/R@1"] == ([20], [0.5])
    assert "resumed" not in series


@pytest.mark.parametrize("line", ['{"loss": 1}', "{", "3"])
def test_a_line_without_a_step_is_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n{line}\n')
    with pytest.raises(ValueError, match=r"metrics.jsonl, line 2: must be an object"):
        report.read_metrics(path)


@pytest.mark.parametrize("content", ["{", "{}", '{"rows": [{"method": "bm25"}]}', "[]"])
def test_results_of_another_form_are_refused(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"results.json must hold"):
        report.write_report(tmp_path / "out", title="t", results=path)


def test_an_empty_report_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs results, runs or plans"):
        report.write_report(tmp_path, title="t")
