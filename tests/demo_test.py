import dataclasses
import json

import pytest

from configs import sample_student, sample_teacher
from optical_jax import config_io, demo
from optical_jax.retrieval import record

GET_CONFIGS = (sample_teacher.get_config, sample_student.get_config)


def row(method, recall):
    return record.Row(
        collection="collection",
        query_set="x-test",
        queries="x-test",
        method=method,
        seed=0,
        run={},
        per_query={"R@10": {"q": recall}},
    )


@pytest.mark.parametrize("get_config", GET_CONFIGS)
def test_everything_of_a_run_lies_in_the_workdir(get_config, tmp_path):
    options = demo.Options(workdir=tmp_path / "w", steps=20, seed=3)
    placed = demo._placed(get_config(), options)
    text = config_io.to_json(placed)
    assert "work/sample" not in text
    assert str(tmp_path / "w" / "cache") == placed.data.cache_dir
    assert (placed.steps, placed.seed, placed.optimizer.warmup_steps) == (20, 3, 2)


@pytest.mark.parametrize("get_config", GET_CONFIGS)
def test_by_default_runs_are_those_of_the_configs(get_config):
    assert demo._placed(get_config(), demo.Options()) == get_config()


def test_the_student_is_searched_with_the_teachers_lengths():
    teacher, student = (get_config() for get_config in GET_CONFIGS)
    assert teacher.student.head.query_length in student.data.buckets
    assert student.teacher.path == "work/sample/teacher"


def test_an_earlier_demo_is_replaced_and_nothing_else(tmp_path):
    root = demo._fresh(tmp_path / "demo")
    (root / "data").mkdir()
    assert demo._fresh(root) == root
    assert [path.name for path in root.iterdir()] == ["demo.json"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"mine has content that is no earlier demo's"):
        demo._fresh(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_bad_input_ends_with_a_message(tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()
    assert demo.main(["--workdir", str(tmp_path)]) == 1
    assert "no earlier demo's" in capsys.readouterr().err


def test_verdict_states_shares_of_the_topline():
    rows = [row("topline", 0.8), row("zero-shot", 0.2), row("student", 0.6)]
    evaluation = record.Evaluation(rows=rows, significance={}, seconds=1.0)
    said = demo._verdict(evaluation)
    assert "0.800" in said
    assert "25% of it zero-shot" in said
    assert "75% with the student" in said


def test_results_follow_the_schema_of_recorded_runs(tmp_path):
    evaluation = record.Evaluation(
        rows=[row("student", 0.6)], significance={}, seconds=1.0
    )
    config = dataclasses.replace(sample_student.get_config(), seed=4)
    written = json.loads(demo._write_results(tmp_path, evaluation, config).read_text())
    assert written["rows"][0]["measures"] == {"R@10": 0.6}
    assert written["config"]["seed"] == 4
    assert {"name", "command", "commit", "date", "machine", "seconds"} <= set(written)
