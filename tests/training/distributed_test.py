import signal
import sys

import pytest

from optical_jax.training import distributed


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


@pytest.fixture
def told():
    """What a handler that stood before was called with."""
    calls = []
    before = signal.signal(signal.SIGTERM, lambda *_: calls.append("outer"))
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_a_run_stops_at_sigterm_and_keeps_it_to_itself(told):
    def train():
        with distributed.preemption() as preempted:
            assert not preempted(1)
            signal.raise_signal(signal.SIGTERM)
            assert preempted(2)
            sys.exit(0)

    with pytest.raises(SystemExit):
        train()
    assert told == []
    signal.raise_signal(signal.SIGTERM)
    assert told == ["outer"]


def test_sigterm_behind_the_last_step_is_handed_on(told):
    with distributed.preemption() as preempted:
        assert not preempted(1)
        signal.raise_signal(signal.SIGTERM)
    assert told == ["outer"]


def test_sigterm_ends_what_no_run_answers_for(told, monkeypatch):
    monkeypatch.setenv("OPTICAL_JAX_PREEMPTED_STATUS", "75")
    said = []

    def study():
        with distributed.ended_by_sigterm(lambda: said.append("stopped")):
            with distributed.preemption():
                signal.raise_signal(signal.SIGTERM)
            pytest.fail("it went on")

    with pytest.raises(SystemExit) as ended:
        study()
    assert ended.value.code == 75
    assert said == ["stopped"]
    assert told == []
