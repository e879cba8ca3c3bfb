import dataclasses
import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from optical_jax import config as config_lib
from optical_jax import config_io, train
from optical_jax.config import MeshConfig, OptimizerConfig, StudentConfig
from optical_jax.models import folder
from optical_jax.training import checkpoint, workdir
from optical_jax.training.validation import ValidationConfig
from tests.training import tiny_run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs")
    tiny_run.write_inputs(path)
    return path


@pytest.fixture(scope="module")
def straight(root, tmp_path_factory):
    """Six steps without a break, on 8 x data."""
    config = tiny_run.config(root, tmp_path_factory.mktemp("straight") / "run")
    train.run(config)
    return config


def _params(run, step):
    student = workdir.load_student(run, step=step)
    return {p: np.asarray(v[...]) for p, v in nnx.to_flat_state(student.params)}


def _largest_difference(a, b):
    return max(float(np.abs(a[path] - b[path]).max()) for path in a)


def test_training_lowers_the_loss_and_leaves_a_whole_folder(straight):
    losses = tiny_run.losses(straight.workdir)
    assert list(losses) == [1, 2, 3, 4, 5, 6]
    assert losses[6] < losses[1]
    run = Path(straight.workdir)
    assert config_io.from_json((run / "config.json").read_text()) == straight
    assert list((run / "tensorboard").iterdir())
    moved = (
        _params(run, 6),
        {
            p: np.asarray(v[...])
            for p, v in nnx.to_flat_state(folder.load(run / "student").params)
        },
    )
    assert _largest_difference(*moved) > 1e-3


def test_a_run_sums_itself_up_without_paths(straight):
    told = workdir.summary(straight.workdir)
    assert (told["steps"], told["seed"]) == (6, 0)
    assert list(told["validation"]) == ["0", "3", "6"]
    assert told["median_pairs_per_second"] > 0
    assert straight.data.root not in json.dumps(told)


def test_the_command_says_what_is_wrong_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    argv = ["--workdir", str(tmp_path / "run"), "--data.batch-size", "12"]
    assert train.main(argv) == 1
    told = capsys.readouterr().err
    assert "error: data.batch_size must be divisible" in told.replace("\n", " ")


@pytest.mark.parametrize(
    "axes", [pytest.param((2, 4, 1), marks=pytest.mark.long), (2, 2, 2)]
)
def test_every_mesh_gives_the_same_losses(root, straight, tmp_path, axes):
    mesh = MeshConfig(data=axes[0], fsdp=axes[1], tensor=axes[2])
    config = tiny_run.config(root, tmp_path / "run", mesh=mesh, stop_after=2)
    train.run(config)
    expected = tiny_run.losses(straight.workdir)
    found = tiny_run.losses(config.workdir)
    assert list(found) == [1, 2]
    for step, loss in found.items():
        assert loss == pytest.approx(expected[step], abs=1e-5)


@pytest.mark.long
def test_a_run_goes_on_on_another_mesh(root, straight, tmp_path):
    mesh = MeshConfig(data=2, fsdp=2, tensor=2)
    config = tiny_run.config(root, tmp_path / "run", mesh=mesh, stop_after=3)
    train.run(config)
    expected = tiny_run.losses(straight.workdir)
    # Saved there, resumed here: the other mesh shape goes on as if nothing happened.
    moved = dataclasses.replace(config, mesh=MeshConfig(data=8), stop_after=0)
    train.run(moved)
    assert tiny_run.losses(moved.workdir) == pytest.approx(expected, abs=1e-4)
    difference = _largest_difference(
        _params(moved.workdir, 6), _params(straight.workdir, 6)
    )
    assert difference < 1e-4


def test_an_interrupted_run_ends_bit_identical(root, straight, tmp_path):
    config = tiny_run.config(root, tmp_path / "run", stop_after=3)
    train.run(config)
    train.run(dataclasses.replace(config, stop_after=0))
    resumed, whole = _params(config.workdir, 6), _params(straight.workdir, 6)
    assert all(np.array_equal(resumed[path], whole[path]) for path in whole)
    assert tiny_run.losses(config.workdir) == tiny_run.losses(straight.workdir)


@pytest.mark.long
def test_gradients_of_parts_add_up_to_those_of_the_batch(root, straight, tmp_path):
    config = tiny_run.config(
        root,
        tmp_path / "run",
        stop_after=3,
        optimizer=dataclasses.replace(straight.optimizer, accumulation=2),
    )
    train.run(config)
    expected = tiny_run.losses(straight.workdir)
    for step, loss in tiny_run.losses(config.workdir).items():
        assert loss == pytest.approx(expected[step], abs=1e-5)


@pytest.mark.long
def test_cached_teacher_vectors_change_no_loss(root, straight, tmp_path):
    config = tiny_run.config(
        root,
        tmp_path / "run",
        stop_after=2,
        data=tiny_run.data(root, cache_teacher=False),
    )
    train.run(config)
    expected = tiny_run.losses(straight.workdir)
    for step, loss in tiny_run.losses(config.workdir).items():
        # The cache holds float16.
        assert loss == pytest.approx(expected[step], abs=1e-3)


@pytest.mark.long
def test_frozen_parameters_stay_and_bfloat16_and_dropout_run(root, tmp_path):
    config = tiny_run.config(
        root,
        tmp_path / "run",
        steps=2,
        dtype="bfloat16",
        student=StudentConfig(freeze=("embeddings/word",), dropout=0.1),
    )
    train.run(config)
    before, after = (
        _params(config.workdir, 2),
        folder.load(Path(config.workdir, "student")),
    )
    after = {p: np.asarray(v[...]) for p, v in nnx.to_flat_state(after.params)}
    same = {path: np.array_equal(before[path], after[path]) for path in after}
    assert same["encoder", "embeddings", "word", "embedding"]
    assert not same["encoder", "layers", 0, "query", "kernel"]


@pytest.mark.long
def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    root, tmp_path
):
    config = tiny_run.config(
        root,
        tmp_path / "run",
        optimizer=OptimizerConfig(
            learning_rate=1e30, warmup_steps=0, clip_norm=0.0, schedule="constant"
        ),
    )
    with pytest.raises(FloatingPointError, match=r"step \d: .*loss.* is not a number"):
        train.run(config)
    good = tiny_run.config(root, tmp_path / "good", stop_after=3)
    train.run(good)
    with checkpoint.Checkpoints(
        tmp_path / "run", keep=2, best_by="rr", read_only=True
    ) as found:
        assert found.latest == 0


@pytest.mark.long
def test_the_start_is_a_checkpoint_that_may_be_the_best(root, tmp_path):
    # Where every measure ties the earliest step is the best: one held-out pair is found.
    config = tiny_run.config(
        root,
        tmp_path / "run",
        stop_after=3,
        validation=ValidationConfig(queries=1, distractors=0),
    )
    train.run(config)
    start = folder.load(Path(config.workdir, "student")).params
    best = nnx.to_flat_state(workdir.load_student(Path(config.workdir)).params)
    start = dict(nnx.to_flat_state(start))
    assert all(np.array_equal(leaf[...], start[path][...]) for path, leaf in best)


def test_a_checkpoint_of_another_config_is_refused(root, straight):
    other = dataclasses.replace(straight, seed=1)
    with pytest.raises(ValueError, match=r"another config \(seed: 0 -> 1\)"):
        train.run(other)


@pytest.mark.long
def test_a_truncated_checkpoint_is_named(root, straight, tmp_path):
    config = tiny_run.config(root, tmp_path / "run", stop_after=3)
    train.run(config)
    saved = tmp_path / "run" / "checkpoints" / "3" / "params"
    for file in saved.rglob("*"):
        if file.is_file() and file.stat().st_size > 500:
            os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(ValueError, match=r"checkpoints/3 is damaged"):
        train.run(dataclasses.replace(config, stop_after=0))


def test_bad_input_stops_before_any_work(root, tmp_path):
    missing = tiny_run.config(root, tmp_path / "a", teacher=config_lib.TeacherConfig())
    with pytest.raises(ValueError, match=r"teacher\.path must name"):
        train.run(missing)
    nothing = tiny_run.config(
        root, tmp_path / "b", data=tiny_run.data(root, sources=())
    )
    with pytest.raises(ValueError, match=r"at least one; got"):
        train.run(nothing)
    odd = tiny_run.config(root, tmp_path / "c", data=tiny_run.data(root, batch_size=12))
    with pytest.raises(
        ValueError, match=r"data\.batch_size must be divisible .* got 12"
    ):
        train.run(odd)
    assert jax.device_count() == 8
