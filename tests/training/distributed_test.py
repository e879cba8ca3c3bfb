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
