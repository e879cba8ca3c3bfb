import dataclasses
import json
from pathlib import Path

import jax
import pytest

from optical_jax import config_io, plan
from optical_jax.planning import programs, table, topology
from optical_jax.planning.compilation import Program
from optical_jax.planning.table import Row

PLANS = Path(__file__).parents[1] / "configs" / "plans"
PRESET = str(PLANS / "minilm_v5e.py")


def _made(seconds: float, memory: float) -> Program:
    return Program(
        name="train",
        examples=1024,
        flops=seconds * 197e12,
        model_flops=seconds * 197e12 / 2,
        arguments=memory * 2**30,
    )


@pytest.fixture
def compilers(monkeypatch):
    """What would be compiled stands here; tests.long.plan_programs_test compiles."""
    made = {(4, 1, 1): _made(2.0, 3.0), (1, 4, 1): _made(1.0, 2.0), (2, 2, 1): None}

    def train(config, devices, *, length):
        mesh = config.mesh
        found = made.get((mesh.data, mesh.fsdp, mesh.tensor))
        if found is None:
            raise NotImplementedError("no such mesh")
        return found

    monkeypatch.setattr(topology, "devices", lambda place: jax.devices()[: place.chips])
    monkeypatch.setattr(programs, "train", train)


def _run(*more: str) -> int:
    args = ["--config", PRESET, "--topology", "v5e:2x2", "--programs", "train", *more]
    return plan.main(args)


def test_a_plan_is_printed_and_recorded(compilers, capsys, tmp_path, monkeypatch):
    file = tmp_path / "plans.json"
    # libtpu's version is recorded with what it compiled.
    monkeypatch.setattr(plan.importlib.metadata, "version", lambda name: "1.0")
    assert _run("--pairs", "7200", "--record", str(file)) == 0
    assert _run("--pairs", "7200", "--record", str(file)) == 0
    shown = capsys.readouterr().out
    assert "3.00 GiB" in shown
    assert "50.0%" in shown
    # 7,200 pairs at 512 a second on four chips.
    assert "7,200 pairs: at least 0.00391 h, 0.0156 chip-hours, $0.02" in shown
    (found,) = json.loads(file.read_text())["plans"]
    assert found["name"] == "minilm_v5e"
    assert found["fits"] is True
    assert found["hbm_bytes_per_chip"] == 3 * 2**30
    assert (found["step_seconds"], found["mfu_bound"]) == (2.0, 0.5)
    assert found["mesh"] == {"data": 4, "fsdp": 1, "tensor": 1}


def test_the_best_mesh_that_fits_is_found(compilers, capsys):
    assert _run("--meshes", "4x1x1", "1x4x1", "2x2x1") == 0
    shown = capsys.readouterr().out
    assert "1x4x1 (best)" in shown
    assert "not in this torus" in shown
    place = topology.parse("v5e:2x2")
    rows = [
        Row(mesh=(4, 1, 1), program=_made(1.0, 99.0)),
        Row(mesh=(2, 2, 1), program=_made(2.0, 9.0)),
        Row(mesh=(1, 4, 1), program=_made(2.0, 8.0)),
    ]
    assert table.best_of(rows, place) is rows[2]
    assert table.best_of(rows[:1], place) is None


def test_batches_grow_with_the_chips(monkeypatch, capsys, tmp_path):
    compiled = []

    def train(config, devices, *, length):
        compiled.append((config.data.batch_size, len(devices)))
        made = _made(1.0, 2.0)
        return dataclasses.replace(made, examples=config.data.batch_size)

    monkeypatch.setattr(topology, "devices", lambda place: jax.devices()[: place.chips])
    monkeypatch.setattr(programs, "train", train)
    monkeypatch.setattr(plan.importlib.metadata, "version", lambda name: "1.0")
    file = tmp_path / "plans.json"
    options = ["--weak_scaling", "v5e:2x4", "--record", str(file)]
    assert _run("--mesh.data", "-1", *options) == 0
    assert compiled == [(1024, 4), (2048, 8)]
    assert "(+0.0%)" in capsys.readouterr().out
    found = json.loads(file.read_text())["plans"]
    assert [p["topology"] for p in found] == ["v5e:2x2", "v5e:2x4"]
    assert [p["batch_size"] for p in found] == [1024, 2048]
    assert [p["mesh"]["data"] for p in found] == [4, 8]
    assert _run("--search", *options) == 1
    assert "leave --search" in " ".join(capsys.readouterr().err.split())
    # An axis of a fixed size does not grow.
    assert _run(*options) == 1
    assert "needs mesh.data -1, got 4" in " ".join(capsys.readouterr().err.split())


def test_meshes_to_try_multiply_to_the_devices():
    found = plan.candidates(64)
    assert {d * f * t for d, f, t in found} == {64}
    assert {(64, 1, 1), (1, 64, 1), (8, 8, 1), (1, 16, 4)} <= set(found)
    assert plan.candidates(1) == [(1, 1, 1)]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--topology", "v5e:3x3"], "must be one of v5e:1x1, v5e:2x2"),
        (["--topology", "v5e:2x2", "--pairs", "0"], "--pairs must be at least 1"),
    ],
)
def test_wrong_options_end_with_a_line(compilers, capsys, args, message):
    assert plan.main(["--config", PRESET, *args]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "path", sorted(p for p in PLANS.glob("*_v*.py")), ids=lambda p: p.stem
)
def test_every_plan_names_an_encoder_that_is_there(path):
    config = config_io.load_preset(path)
    found = programs.shapes.encoders(config)
    assert found.student.width == found.teacher.width
    assert config.dtype == "bfloat16"
