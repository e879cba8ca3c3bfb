import dataclasses
import json

import pytest

from optical_jax.config import Config, MeshConfig
from optical_jax.training import workdir


def test_config_json_is_read_back(tmp_path):
    config = Config(workdir=str(tmp_path / "run"), steps=500)
    run = workdir.open_run(config)
    assert workdir.read_config(run) == config
    assert workdir.is_run(run)


def test_what_a_killed_process_left_is_gone_when_the_run_goes_on(tmp_path):
    config = Config(workdir=str(tmp_path / "run"))
    left = workdir.open_run(config) / ".student.4711.0a1b2c3d.tmp"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    workdir.open_run(config)
    assert not left.exists()


def test_mesh_and_cadence_may_change_but_training_may_not(tmp_path):
    config = Config(workdir=str(tmp_path / "run"))
    workdir.open_run(config)
    workdir.open_run(
        dataclasses.replace(config, mesh=MeshConfig(fsdp=2), log_every=7, stop_after=3)
    )
    with pytest.raises(ValueError, match=r"another config \(steps: 1000 -> 2000\)"):
        workdir.open_run(dataclasses.replace(config, steps=2000))


def test_folders_that_are_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no training run"):
        workdir.read_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert not workdir.is_run(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"is not JSON"):
        workdir.is_run(tmp_path)


def test_a_run_without_a_checkpoint_is_named(tmp_path, monkeypatch):
    run = workdir.open_run(Config(workdir=str(tmp_path / "run")))
    monkeypatch.setattr(workdir.student_lib, "load", lambda _: None)
    with pytest.raises(FileNotFoundError, match=r"holds no checkpoint yet"):
        workdir.load_student(run)
