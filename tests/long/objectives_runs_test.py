"""Every objective over bitext, trained together for a few steps: all fits, all go down."""

import json
from pathlib import Path

import numpy as np
import pytest

from optical_jax import train
from optical_jax.config import StudentConfig, TeacherConfig
from optical_jax.data import marks
from optical_jax.models import folder
from optical_jax.objectives import mixture
from optical_jax.objectives.mixture import ObjectiveConfig
from optical_jax.objectives.transport import TransportConfig
from optical_jax.training import inputs
from tests.models import tiny
from tests.training import tiny_run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs")
    tiny_run.write_inputs(path)
    return path


def _logged(config):
    train.run(config)
    lines = Path(config.workdir, "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_all_objectives_add_up_and_go_down(root, tmp_path):
    objective = ObjectiveConfig(
        mix=" + ".join(mixture.over_bitext()),
        transport=TransportConfig(marginals="attention"),
    )
    config = tiny_run.config(root, tmp_path, objective=objective, eval_every=6)
    logged = _logged(config)
    steps = [row for row in logged if "loss" in row]
    assert len(steps) == 6
    for name in mixture.over_bitext():
        values = [row[f"{name}/loss"] for row in steps]
        assert np.isfinite(values).all(), name
        assert np.mean(values[-2:]) < np.mean(values[:2]), name
    total = sum(steps[0][f"{name}/loss"] for name in mixture.over_bitext())
    assert steps[0]["loss"] == pytest.approx(total, rel=1e-5)


def test_a_student_of_documents_gets_them(root, tmp_path):
    objective = ObjectiveConfig(
        transport=TransportConfig(side="document", marginals="idf")
    )
    config = tiny_run.config(root, tmp_path, objective=objective)
    made = inputs.make(config, tmp_path, say=lambda _: None)
    batch = next(made.batches)
    for key in ("student/target", "teacher/source"):
        assert batch[key]["idf"].shape == batch[key]["mask"].shape
        assert (batch[key]["idf"] > 0).all()
        assert np.ptp(batch[key]["idf"][batch[key]["mask"]]) > 0
    measured = made.held_out.measure(made.student, made.student.params)
    assert 0 < measured["validation/short_RR"] <= 1


def test_a_student_must_fit_its_teacher(root, tmp_path):
    pooled = tiny_run.config(root, tmp_path, student=StudentConfig(head=tiny.POOLED))
    with pytest.raises(ValueError, match=r"aligns tokens, so student\.head\.kind must"):
        inputs.make(pooled, tmp_path, say=lambda _: None)
    folder.save(tiny.make(tiny.COLBERT), tmp_path / "narrow")
    student = StudentConfig(path=str(root / "teacher"), head=tiny.TOKENWISE)
    teacher = TeacherConfig(path=str(tmp_path / "narrow"))
    narrow = tiny_run.config(root, tmp_path, student=student, teacher=teacher)
    with pytest.raises(ValueError, match=r"as wide as the teacher's \(8\), got 16"):
        inputs.make(narrow, tmp_path, say=lambda _: None)


def test_a_run_that_goes_on_makes_no_variants_of_its_bitext(
    root, tmp_path, monkeypatch
):
    def refuse(pair):
        raise AssertionError(f"{pair} is not needed")

    config = tiny_run.config(root, tmp_path)
    inputs.make(config, tmp_path, say=lambda _: None)
    monkeypatch.setattr(marks, "variants", refuse)
    made = inputs.make(config, tmp_path, say=lambda _: None)
    assert made.epoch > 0
