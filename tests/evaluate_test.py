import json
import sys

import numpy as np
import pytest

from optical_jax import command, evaluate
from optical_jax.data import collection as collection_lib
from optical_jax.models import folder
from optical_jax.retrieval import encoder_options
from tests.models import tiny
from tests.retrieval import world


@pytest.fixture(autouse=True)
def _no_compilation_cache(monkeypatch):
    """The setting is the process's and would outlive the test."""
    monkeypatch.setattr(command, "set_up", lambda cache: None)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A collection, a teacher and a student of the same width, and one of another."""
    root = tmp_path_factory.mktemp("evaluate")
    world.write(root / "tiny")
    folder.save(tiny.make(tiny.TOKENWISE), root / "teacher")
    folder.save(tiny.make(tiny.TOKENWISE, seed=1), root / "student")
    folder.save(tiny.make(tiny.COLBERT), root / "narrow")
    return root


def arguments(folders, *more, student="student"):
    named = {
        "collection": folders / "tiny",
        "query_encoder": folders / student,
        "document_encoder": folders / "teacher",
        "cache": folders / "cache",
        "samples": "500",
    }
    flags = [
        part for name, value in named.items() for part in (f"--{name}", str(value))
    ]
    return [*flags, *more]


def test_the_command_writes_what_it_measured(folders, tmp_path, capsys):
    status = evaluate.main(
        arguments(
            folders,
            *("--queries", "xx-test", "--topline_queries", "en-test"),
            *("--output", str(tmp_path), "--name", "result", "--seed", "7"),
            *("--parallel", "en-test,xx-test"),
            *("--vectors", "int8"),
        )
    )
    assert status == 0
    assert len(list((folders / "cache").glob("corpus-*/000000/steps.npy"))) == 1
    shown = capsys.readouterr().out
    assert "language bias between en-test, xx-test, 3 queries each" in shown
    assert "tiny, xx-test, 3 queries" in shown
    assert "Holm" in shown
    read = json.loads((tmp_path / "result.json").read_text())
    assert read["command"].startswith("python -m optical_jax.evaluate --collection")
    assert read["config"]["queries"] == ["xx-test"]
    assert read["config"]["vectors"] == "int8"
    student = read["bias"]["en-test, xx-test"]["student"]
    assert 0 <= student["consistency"][0]["softmax"] <= 1
    assert student["max_rank_distance"] >= 0
    methods = {row["method"]: row for row in read["rows"]}
    assert list(methods) == ["bm25", "zero-shot", "student", "bm25-topline", "topline"]
    assert methods["student"]["queries"] == "xx-test"
    assert methods["topline"]["queries"] == "en-test"
    assert methods["topline"]["seed"] == 7
    # q1: d1 has a word in common, d4 the other; q2 finds d3 and d4 among 3; q3 nothing.
    assert methods["bm25"]["measures"]["R@10"] == pytest.approx(2 / 3)
    # Every document is ranked, and there are four.
    assert methods["student"]["measures"]["R@10"] == 1.0
    names = {path.name for path in (tmp_path / "result").iterdir()}
    assert names == {f"xx-test.{method}.run" for method in methods} | {
        "xx-test.per_query.tsv"
    }


def test_zero_shot_is_the_student_if_both_are_the_teacher(folders):
    teacher = folder.load(folders / "teacher")
    stages = []
    evaluation = evaluate.run(
        collection_lib.load(folders / "tiny"),
        queries=["xx-test", "en-test"],
        document_encoder=teacher,
        query_encoder=teacher,
        cache=folders / "cache",
        progress=lambda *stage: stages.append(stage),
    )
    rows = {(row.query_set, row.method): row for row in evaluation.rows}
    for name in ("xx-test", "en-test"):
        assert rows[name, "zero-shot"].run == rows[name, "student"].run
        results = evaluation.significance[name].results
        same = [r for r in results if (r.a, r.b) == ("zero-shot", "student")]
        assert {r.p_value for r in same} == {1.0}
    assert ("search xx-test", 4, 4) in stages


def test_a_head_given_is_used_for_both(folders, tmp_path):
    options = encoder_options.EncoderOptions(
        query_encoder=str(folders / "student"),
        document_encoder=str(folders / "teacher"),
        head=encoder_options.HeadOptions(kind="single-vector", document_length=20),
    )
    for encoder in options.load_encoders():
        assert encoder.head.kind == "single-vector"
        assert encoder.head.document_length == 20
        assert encoder.head.query_length == 32
    status = evaluate.main(
        arguments(
            folders,
            *("--queries", "xx-test", "--output", str(tmp_path)),
            *("--head.kind", "single-vector", "--head.document_length", "20"),
        )
    )
    assert status == 0
    index = json.loads((tmp_path / "tiny.json").read_text())
    assert index["config"]["head"]["kind"] == "single-vector"


@pytest.fixture(scope="module")
def bitext(folders):
    """A config file's arguments, as one option."""
    lines = [(f"the word {i}", f"dunia {i}") for i in "abcdefghijklmnopqrstuvwxyz"]
    (folders / "b.en").write_text("\n".join(english for english, _ in lines) + "\n")
    (folders / "b.xx").write_text("\n".join(other for _, other in lines) + "\n")
    config = folders / "preset.py"
    config.write_text(
        "from optical_jax.config import Config, DataConfig\n"
        "from optical_jax.data.sources import BitextSource\n\n\n"
        "def get_config():\n"
        "    source = BitextSource(\n"
        "        name='b', format='moses', source='b.en', target='b.xx'\n"
        "    )\n"
        "    return Config(data=DataConfig(sources=(source,)))\n"
    )
    return f"{config} --data.root {folders} --data.cache_dir {folders / 'cache'}"


def test_lexical_rows_need_no_encoder(folders, tmp_path, bitext):
    translate = f"{sys.executable} -c \"print('who'); print('rere'); print('word')\""
    status = evaluate.main(
        [
            *("--collection", str(folders / "tiny"), "--cache", str(folders / "cache")),
            *("--queries", "xx-test", "--bitext", bitext, "--output", str(tmp_path)),
            *("--translate_command", translate, "--fuse", "ibm1+bm25", "mt+bm25"),
            *("--tune_queries", "en-test", "--baseline", "bm25", "--samples", "100"),
        ]
    )
    assert status == 0
    read = json.loads((tmp_path / "tiny.json").read_text())
    methods = {row["method"]: row["measures"] for row in read["rows"]}
    fused = "ibm1+bm25+mt+bm25"
    assert list(methods) == ["bm25", "ibm1+bm25", "mt+bm25", fused, f"{fused}-rrf"]
    # The bitext knows that dunia is a word, which d2 has; the command names d1, d3, d2.
    assert methods["mt+bm25"]["R@1"] == pytest.approx(2.5 / 3)
    details = read["details"]["xx-test"]
    assert details[fused]["tuned_on"] == "en-test"
    assert details["ibm1+bm25"]["pairs"] > 0
    pairs = {(r["a"], r["b"]) for r in read["significance"]["xx-test"]["results"]}
    assert pairs == {("bm25", name) for name in methods if name != "bm25"}
    assert len(list((tmp_path / "tiny").glob("*.translation-*.jsonl"))) == 2


def test_run_files_need_no_collection(folders, tmp_path, capsys):
    (tmp_path / "a.trec").write_text(
        "q1 Q0 d1 1 2 x\nq1 Q0 d4 2 1 x\nq2 Q0 d3 1 1 x\nq3 Q0 d4 1 1 x\n"
    )
    (tmp_path / "b.run").write_text("q1 Q0 d4 1 2 x\nq1 Q0 d1 2 1 x\nq3 Q0 d2 1 1 x\n")
    runs = ["--runs", str(tmp_path / "a.trec"), str(tmp_path / "b.run")]
    qrels = folders / "tiny" / "qrels" / "xx-test.tsv"
    out = ["--output", str(tmp_path), "--fuse", "a", "b", "--name", "n"]
    assert evaluate.main([*runs, *out, "--qrels", str(qrels)]) == 0
    assert "xx-test, xx-test, 3 queries" in capsys.readouterr().out
    alone = json.loads((tmp_path / "n.json").read_text())
    measured = {row["method"]: row["measures"]["R@1"] for row in alone["rows"]}
    # q1 is found by a alone, q2 half by a, q3 by b.
    assert measured["a"] == pytest.approx(1.5 / 3)
    assert measured["b"] == pytest.approx(1 / 3)
    assert list(measured) == ["a", "b", "a+b", "a+b-rrf"]
    named = ["--collection", str(folders / "tiny"), "--queries", "xx-test"]
    assert evaluate.main([*runs, *out, *named]) == 0
    read = json.loads((tmp_path / "n.json").read_text())
    assert read["rows"][0]["collection"] == "tiny"
    assert [r["measures"] for r in read["rows"]] == [
        r["measures"] for r in alone["rows"]
    ]
    # Read back, the fused run is the same run.
    written = tmp_path / "n" / "xx-test.a+b.run"
    again = ["--runs", str(written), "--qrels", str(qrels), "--output", str(tmp_path)]
    assert evaluate.main(again) == 0
    read = json.loads((tmp_path / "xx-test.json").read_text())
    assert read["rows"][0]["measures"] == alone["rows"][2]["measures"]


@pytest.mark.parametrize(
    ("more", "student", "message"),
    [
        (["--queries", "yy"], "student", "no query set 'yy'; it has en-test, xx-test"),
        (["--queries", "xx-test"], "narrow", "same width, got 8 and 16"),
        (["--queries", "xx-test"], "nowhere", "nowhere"),
        (
            ["--queries", "xx-test", "--translations", "a", "b"],
            "student",
            "must be a file for each of queries, or of these and tune_queries (xx-test), got 2",
        ),
        (
            ["--queries", "xx-test", "--workdir", "w"],
            "student",
            "workdir gives both encoders and their heads",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_1(folders, capsys, more, student, message):
    assert evaluate.main(arguments(folders, *more, student=student)) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error:")
    assert message in " ".join(shown.split())


def test_a_document_encoder_is_needed():
    with pytest.raises(ValueError, match="document_encoder must name a retriever fold"):
        encoder_options.EncoderOptions(query_encoder="x").load_encoders()


def test_a_run_is_the_same_twice(folders):
    teacher = folder.load(folders / "teacher")
    runs = [
        evaluate.run(
            collection_lib.load(folders / "tiny"),
            queries=["xx-test"],
            document_encoder=teacher,
            cache=folders / "cache",
        ).rows[1]
        for _ in range(2)
    ]
    assert runs[0].run == runs[1].run
    assert np.isfinite(list(runs[0].run["q1"].values())).all()
