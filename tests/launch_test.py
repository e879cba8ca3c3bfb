"""The scripts of launch/: what they would do, and what they refuse; nothing is launched."""

import os
import shlex
import subprocess
from pathlib import Path

import jax
import pytest
import yaml

_LAUNCH = Path(__file__).parents[1] / "launch"
_TRAINING = ["--config", "configs/a b.py", "--name", "it's", "--data.root", "$HOME"]
# The least that each script is told, in words that are found again.
_CALLS = {
    "gpu.sh": ["--gpus", "0,3", "--venv", "/none/venv"],
    "slurm.sh": ["--nodes", "2", "--gpus-per-node", "8", "--partition", "fast"],
    "tpu_vm.sh": ["run", "--name", "pod", "--zone", "us-east5-a"],
    "gke.sh": [
        *("--name", "pod", "--image", "host/image:1", "--claim", "files"),
        *("--accelerator", "tpu-v5-lite-podslice", "--topology", "4x4"),
        *("--hosts", "4"),
    ],
    "skypilot.sh": ["--name", "job", "--gpus", "H100:8", "--bucket", "runs"],
}


def _launch(script, *words, status=0):
    done = subprocess.run(
        ["bash", str(_LAUNCH / script), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


def _dry(script, *words):
    return _launch(script, *words, "--dry-run", "--", *_TRAINING).stdout


@pytest.mark.parametrize("script", sorted(p.name for p in _LAUNCH.glob("*.sh")))
def test_every_script_is_shell(script):
    subprocess.run(["bash", "-n", str(_LAUNCH / script)], check=True)
    assert script == "common.sh" or script in _CALLS
    assert script == "common.sh" or os.access(_LAUNCH / script, os.X_OK)


def test_a_gpu_run_is_this_shell_s_process():
    *made, export, path, run = _dry("gpu.sh", *_CALLS["gpu.sh"]).splitlines()
    assert shlex.split(made[0])[1:] == ["-m", "venv", "/none/venv"]
    assert shlex.split(made[1])[-1] == f"jax[cuda12]=={jax.__version__}"
    assert shlex.split(export) == ["export", "CUDA_VISIBLE_DEVICES=0,3"]
    assert shlex.split(path) == ["export", f"PYTHONPATH={_LAUNCH.parent}"]
    python = ["/none/venv/bin/python", "-m", "optical_jax.train"]
    assert shlex.split(run) == ["exec", *python, *_TRAINING]


def test_a_slurm_job_has_a_process_a_gpu():
    words = [*_CALLS["slurm.sh"], "--account", "me"]
    first, *options = shlex.split(_dry("slurm.sh", *words))
    assert first == "sbatch"
    told = {"--nodes=2", "--gpus-per-node=8", "--ntasks-per-node=8", "--partition=fast"}
    told |= {"--account=me", "--signal=TERM@120", "--time=24:00:00", "--requeue"}
    assert told <= set(options)
    step = shlex.split(options[-1].removeprefix("--wrap="))
    assert step[:2] == ["srun", "--kill-on-bad-exit=1"]
    assert step[-len(_TRAINING) - 2 :] == ["-m", "optical_jax.train", *_TRAINING]


def test_a_tpu_vm_is_made_set_up_used_and_deleted():
    where = ["--name", "pod", "--zone", "us-east5-a", "--project", "p", "--dry-run"]
    kind = ["--type", "v5litepod-16", "--version", "v2-alpha-tpuv5-lite"]
    vm = ["gcloud", "compute", "tpus", "tpu-vm"]
    made = _launch("tpu_vm.sh", "create", *where, *kind, "--spot", "yes").stdout
    assert shlex.split(made) == [
        *(*vm, "create", "pod", "--zone=us-east5-a", "--project=p", "--spot"),
        *("--accelerator-type=v5litepod-16", "--version=v2-alpha-tpuv5-lite"),
    ]
    lines = _launch("tpu_vm.sh", "setup", *where).stdout.splitlines()
    assert shlex.split(lines[1])[:4] == vm
    assert "--worker=all" in lines[1]
    assert "--worker=all" in lines[2]
    assert f"jax[tpu]=={jax.__version__}" in lines[2]
    command = shlex.split(_dry("tpu_vm.sh", *_CALLS["tpu_vm.sh"]))[-1]
    # What the shell of every host makes of it.
    words = shlex.split(command.removeprefix("--command="))
    assert words[:4] == ["cd", "optical_jax", "&&", "OPTICAL_JAX_DISTRIBUTED=auto"]
    assert words[-len(_TRAINING) - 2 :] == ["-m", "optical_jax.train", *_TRAINING]
    gone = _launch("tpu_vm.sh", "delete", *where).stdout
    assert shlex.split(gone)[4:] == [
        *("delete", "pod", "--zone=us-east5-a", "--project=p", "--quiet"),
    ]


def test_a_jobset_is_whole():
    out = _dry("gke.sh", *_CALLS["gke.sh"], "--chips-per-host", "4", "--restarts", "3")
    assert out.splitlines()[-1].endswith("kubectl apply -f -")
    made = yaml.safe_load(out)
    assert "@" not in out
    assert (made["kind"], made["metadata"]["name"]) == ("JobSet", "pod")
    assert made["metadata"]["namespace"] == "default"
    assert made["spec"]["failurePolicy"]["maxRestarts"] == 3
    job = made["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert (job["parallelism"], job["completions"]) == (4, 4)
    pod = job["template"]["spec"]
    assert set(pod["nodeSelector"].values()) == {"tpu-v5-lite-podslice", "4x4"}
    container = pod["containers"][0]
    assert container["image"] == "host/image:1"
    assert container["args"] == _TRAINING
    assert container["resources"]["limits"] == {"google.com/tpu": 4}
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "files"}


def test_a_rented_machine_gets_the_arguments():
    words = shlex.split(
        _dry("skypilot.sh", *_CALLS["skypilot.sh"], "--infra", "gcp/us-central1")
    )
    words = words[words.index("sky") :]
    assert words[:3] == ["sky", "jobs", "launch"]
    assert words[words.index("--gpus") + 1] == "H100:8"
    assert words[words.index("--infra") + 1] == "gcp/us-central1"
    assert "--use-spot" in words
    variables = [words[i + 1] for i, word in enumerate(words) if word == "--env"]
    given = dict(value.split("=", 1) for value in variables)
    task = yaml.safe_load((_LAUNCH / words[-1].removeprefix("launch/")).read_text())
    assert given.keys() == task["envs"].keys()
    assert given["BUCKET"] == "runs"
    # As the task's shell reads them.
    run = task["run"].replace(
        "exec .venv/bin/python -m optical_jax.train", "printf '%s\\n'"
    )
    told = subprocess.run(
        ["bash", "-c", run],
        env=given | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines() == _TRAINING


@pytest.mark.parametrize("script", _CALLS)
def test_what_is_missing_or_unknown_is_named_with_the_manual(script):
    known = _CALLS[script]
    refused = _launch(script, *known, "--colour", "red", status=2).stderr
    assert refused.startswith("error: unknown option --colour")
    assert f"launch/{script}" in refused
    assert "no arguments of training" in _launch(script, *known, status=2).stderr
    stray = _launch(script, *known, "train.py", status=2).stderr
    assert "unknown argument train.py" in stray
    manual = _launch(script, "--help").stdout
    assert manual in refused
    names = [word for word in known if word.startswith("--")]
    assert all(name in manual for name in names)
    if script == "gpu.sh":
        return
    for name in names:
        at = known.index(name)
        rest = known[:at] + known[at + 2 :]
        told = _launch(script, *rest, "--", *_TRAINING, status=2).stderr
        assert told.startswith(f"error: {name} is required")
        told = _launch(script, *rest, name, status=2).stderr
        assert told.startswith(f"error: {name} needs a value")


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        ("gpu.sh", ["--gpus", "all"], "--gpus takes numbers such as 0,1, got all"),
        ("slurm.sh", ["--nodes", "two"], "are numbers, got two"),
        ("tpu_vm.sh", ["--spot", "maybe"], "--spot is yes or no"),
        ("gke.sh", ["--topology", "4x8"], "a 4x8 slice has 32 chips"),
        ("gke.sh", ["--topology", "4*4"], "--topology is such as 4x4"),
        ("gke.sh", ["--name", "My_Run"], "--name is lower-case letters"),
        ("skypilot.sh", ["--spot", "1"], "--spot is yes or no, got 1"),
    ],
)
def test_values_out_of_range_are_refused(script, words, message):
    known = _CALLS[script]
    if script == "tpu_vm.sh":
        known = ["create", *known[1:], "--type", "v6e-8", "--version", "v"]
    told = _launch(script, *known, *words, "--", *_TRAINING, status=2).stderr
    assert message in told


def test_an_action_that_there_is_not_is_refused():
    assert "unknown action start" in _launch("tpu_vm.sh", "start", status=2).stderr
    assert "name an action" in _launch("tpu_vm.sh", status=2).stderr
