"""Every objective over bitext, trained together for a few steps: all fits, all go down."""

import json
from pathlib import Path

import numpy as np
import pytest

from optical_jax import train
from optical_jax.objectives.mixture import LOSSES, ObjectiveConfig
from optical_jax.objectives.transport import TransportConfig
from tests.training import tiny_run

_BITEXT = (
    "transport",
    "greedy",
    "max-align",
    "position",
    "word-links",
    "sentence-mse",
    "sentence-cosine",
)


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
        mix=" + ".join(_BITEXT), transport=TransportConfig(marginals="attention")
    )
    config = tiny_run.config(root, tmp_path, objective=objective, eval_every=6)
    logged = _logged(config)
    steps = [row for row in logged if "loss" in row]
    assert len(steps) == 6
    for name in _BITEXT:
        values = [row[f"{name}/loss"] for row in steps]
        assert np.isfinite(values).all(), name
        assert np.mean(values[-2:]) < np.mean(values[:2]), name
    total = sum(steps[0][f"{name}/loss"] for name in _BITEXT)
    assert steps[0]["loss"] == pytest.approx(total, rel=1e-5)


def test_a_student_learns_to_encode_documents(root, tmp_path):
    objective = ObjectiveConfig(
        transport=TransportConfig(side="document", marginals="idf", anneal_from=0.5)
    )
    config = tiny_run.config(root, tmp_path, objective=objective, eval_every=6)
    logged = _logged(config)
    losses = [row["loss"] for row in logged if "loss" in row]
    assert losses[-1] < losses[0]
    epsilons = [row["epsilon"] for row in logged if "epsilon" in row]
    assert epsilons[0] == pytest.approx(0.5)
    assert epsilons[-1] == pytest.approx(0.05)
    (measured,) = [r for r in logged if r.get("validation/RR") and r["step"] == 6]
    assert 0 < measured["validation/short_RR"] <= 1


def test_every_objective_over_bitext_is_tried_here():
    bitext = {
        name
        for name in LOSSES
        if ObjectiveConfig(mix=name).uses(fields=("source", "target"))
    }
    assert bitext == set(_BITEXT)
