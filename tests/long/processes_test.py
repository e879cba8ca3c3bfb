"""Two real processes over gloo are one run: its losses, its folder, its next steps."""

import dataclasses
import signal
import time

import jax
import numpy as np
import pytest

from optical_jax import train
from optical_jax.config import MeshConfig
from optical_jax.training import distributed, sharding, workdir
from tests.long import processes
from tests.training import tiny_run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs")
    tiny_run.write_inputs(path)
    return path


@pytest.fixture(scope="module")
def straight(root, tmp_path_factory):
    """Six steps of one process on 8 devices, with the rows of its batches."""
    config = tiny_run.config(root, tmp_path_factory.mktemp("straight") / "run")
    read, to_global = [], sharding.to_global
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sharding,
            "to_global",
            lambda batch, mesh: read.append(batch) or to_global(batch, mesh),
        )
        train.run(config)
    return config, np.stack([batch["student/target"]["ids"] for batch in read])


def _same_bits(a, b):
    a, b = (jax.tree.leaves(workdir.load_student(run, step=6).params) for run in (a, b))
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_two_processes_are_one_run_and_one_process_goes_on(root, straight, tmp_path):
    config, rows = straight
    run = tmp_path / "run"
    # Each process stands for a slice: "fsdp" stays inside of one.
    mesh = "mesh=MeshConfig(data=4, fsdp=2, slices=2), stop_after=3"
    ended = processes.finish(
        processes.start(root, run, fields=mesh),
        seconds=600,
    )
    assert [status for status, *_ in ended] == [0, 0], ended
    assert "2 process(es)" in ended[0][1]
    assert "loss" in ended[0][1]
    assert "loss" not in ended[1][1]  # process 0 speaks for both
    expected = tiny_run.losses(config.workdir)
    found = tiny_run.losses(run)
    assert list(found) == [1, 2, 3]
    for step, loss in found.items():
        assert loss == pytest.approx(expected[step], abs=1e-5)
    # Each read its half of every batch: in its order that is the batch of one process.
    halves = [np.load(f"{run}-rows{i}.npy") for i in range(2)]
    assert [half.shape[:2] for half in halves] == [(3, 8), (3, 8)]
    np.testing.assert_array_equal(np.concatenate(halves, axis=1), rows[:3])
    # And no text of the other half: the lengths of all are kept.
    assert len(list((root / "cache").glob("lengths-*.npy"))) == 1
    # Another number of processes goes on at the same batch.
    moved = dataclasses.replace(config, workdir=str(run), mesh=MeshConfig(data=8))
    train.run(moved)
    assert tiny_run.losses(run) == pytest.approx(expected, abs=1e-4)


def test_sigterm_saves_ends_well_and_the_rest_is_bit_identical(
    root, straight, tmp_path
):
    config, _ = straight
    run = tmp_path / "run"
    # Steps that nothing else would save.
    fields = "mesh=MeshConfig(data=8), eval_every=6, save_every=6"
    (process,) = processes.start(root, run, fields=fields, processes=1, devices=8)
    metrics = run / "metrics.jsonl"
    deadline = time.monotonic() + 600
    while not metrics.is_file() or '"loss"' not in metrics.read_text():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "no step in time"
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    ((status, out, err),) = processes.finish([process], seconds=600)
    assert status == 0, err
    assert "stopped by SIGTERM; step" in out
    assert "the same command goes on from it" in out
    step = max(tiny_run.losses(run))
    assert (run / "checkpoints" / str(step)).is_dir()
    assert step < 6
    every = {"eval_every": 6, "save_every": 6}
    train.run(dataclasses.replace(config, workdir=str(run), **every))
    assert tiny_run.losses(run) == tiny_run.losses(config.workdir)
    assert _same_bits(run, config.workdir)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"SLURM_NTASKS": "4"}, None),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_STEP_NODELIST": "a"}, None),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NODELIST": "a"}, {}),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, None),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, {}),
        ({"OPTICAL_JAX_DISTRIBUTED": "auto"}, {}),
        (
            {
                "JAX_COORDINATOR_ADDRESS": "a:1",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": "1",
                "TPU_WORKER_HOSTNAMES": "c,d,e",
            },
            {"coordinator_address": "a:1", "num_processes": 2, "process_id": 1},
        ),
    ],
)
def test_processes_are_found_in_the_environment(environ, expected):
    assert distributed.arguments(environ) == expected


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"JAX_PROCESS_ID": "1"}, "JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES is not"),
        ({"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "2"}, "below .* got 2"),
        ({"JAX_NUM_PROCESSES": "two", "JAX_PROCESS_ID": "0"}, "whole number .* 'two'"),
        ({"JAX_NUM_PROCESSES": "0", "JAX_PROCESS_ID": "0"}, "at least 1, got '0'"),
    ],
)
def test_a_wrong_environment_is_named(environ, message):
    if len(environ) > 1:
        environ = {"JAX_COORDINATOR_ADDRESS": "a:1", **environ}
    with pytest.raises(ValueError, match=message):
        distributed.arguments(environ)


def test_an_unknown_way_to_find_processes_is_refused():
    with pytest.raises(ValueError, match="must be 'auto' or not set, got 'slurm'"):
        distributed.arguments({"OPTICAL_JAX_DISTRIBUTED": "slurm"})
