"""Runs of several processes: other meshes and numbers of them, SIGTERM, one of four killed."""

import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults import processes, runs, states
from tests.faults.processes import Ended
from tests.faults.runs import Hit
from tests.faults.world import FIELDS, ONE, STEPS, World

LONG = 20
# (processes, devices of each, mesh); 4 devices in all but the last.
_SHAPES = (
    (1, 4, "data=4"),
    (4, 1, "data=4"),
    # Each process stands for a slice: "fsdp" stays inside of one.
    (2, 2, "data=2, fsdp=2, slices=2"),
    (4, 1, "data=2, fsdp=2"),
    (1, 4, "fsdp=2, tensor=2"),
    (1, 2, "data=2"),
)
_FOUR = 1
_HEARTBEAT = 20


def _options(shape: int, fields: str) -> dict[str, Any]:
    count, devices, mesh = _SHAPES[shape]
    return {
        "count": count,
        "devices": devices,
        "fields": f"{fields}, mesh=MeshConfig({mesh})",
        "environ": {"OPTICAL_JAX_HEARTBEAT_SECONDS": str(_HEARTBEAT)},
    }


def _long(shape: int, more: str = "") -> dict[str, Any]:
    fields = f"steps={LONG}, save_every=10, eval_every=10, keep=3{more}"
    return _options(shape, fields)


def _check_batches(run: Path, shape: int, wanted: np.ndarray) -> None:
    """Check that the processes of a run read these batches [batches rows length].

    Each reads its share alone: in their order these are the batch.
    """
    shares = [runs.rows(run, i) for i in range(_SHAPES[shape][0])]
    assert {len(share) for share in shares} == {len(wanted)}, "another number of them"
    assert sum(share.shape[1] for share in shares) == wanted.shape[1]
    found = np.concatenate(shares, axis=1)
    assert np.array_equal(found, wanted), "another order of the data"


def another_mesh(world: World, trial: int) -> None:
    """Stop after 10 of 20 steps and go on elsewhere: same batches, parameters to 1e-4.

    Until the stop the losses are those of one process to 1e-5.
    """
    rng = np.random.default_rng((2, trial))
    one, other = (int(i) for i in rng.choice(len(_SHAPES), 2, replace=False))
    if trial == 0:
        one, other = 1, 2
    straight = world.straight("long", **_long(0))
    wanted, losses = runs.rows(straight), states.losses(straight)
    run = world.fresh(f"mesh-{trial}")
    _train(world, run, one, ", stop_after=10")
    _check_batches(run, one, wanted[:10])
    # By these it reads no text of another's.
    assert _SHAPES[one][0] == 1 or any((world.root / "cache").glob("lengths-*.npy"))
    first = {step: losses[step] for step in range(1, 11)}
    assert states.losses(run) == pytest.approx(first, abs=1e-5)
    ended = _train(world, run, other)
    _check_batches(run, other, wanted[10:])
    assert "resumed from step 10" in ended[0].out
    assert states.losses(run) == pytest.approx(losses, abs=1e-4)
    difference = world.reader.difference(run, straight, LONG)
    assert difference < 1e-4, f"parameters differ by {difference}"


def _train(world: World, run: Path, shape: int, more: str = "") -> list[Ended]:
    ended = processes.finish(runs.start(world.root, run, **_long(shape, more)))
    assert {end.status for end in ended} == {0}, ended
    assert f"{len(ended)} process(es)" in ended[0].said()
    # Process 0 speaks for all.
    assert ["loss" in end.out for end in ended] == [True] + [False] * (len(ended) - 1)
    return ended


def several_as_one(world: World, trial: int) -> None:
    """Two and four processes over gloo have the losses of one, to 1e-5."""
    shape = (2, 1, 3)[trial % 3]
    wanted = states.losses(world.straight("long", **_long(0)))
    run = world.fresh(f"several-{trial}")
    _train(world, run, shape)
    assert states.losses(run) == pytest.approx(wanted, abs=1e-5)
    assert list(wanted) == list(range(1, LONG + 1))


def sigterm(world: World, trial: int) -> None:
    """SIGTERM, to one process alone or to one of four, saves in time and ends with 0."""
    run = world.fresh(f"sigterm-{trial}")
    four = trial % 2 == 1
    straight = _four(world) if four else world.straight()
    options = _options(_FOUR, FIELDS) if four else ONE
    process = trial // 2 % 4 if four else 0
    # 30 s is what Kubernetes, Slurm and spot machines give.
    ended = _told(world, run, straight, options, signal.SIGTERM, process, trial, 30)
    assert {end.status for end in ended} == {0}, ended
    assert "stopped by SIGTERM; step" in ended[0].out, ended
    assert "the same command goes on from it" in ended[0].out
    assert max(states.losses(run)) == states.steps(run)[-1] < STEPS
    world.goes_on(run, straight, **options)


def one_of_four_killed(world: World, trial: int) -> None:
    """kill -9 of one of four: the others end with an error in bounded time; all go on."""
    run = world.fresh(f"killed-{trial}")
    straight, options = _four(world), _options(_FOUR, FIELDS)
    process = trial % 4
    bound = 2 * _HEARTBEAT
    ended = _told(world, run, straight, options, signal.SIGKILL, process, trial, bound)
    for number, end in enumerate(ended):
        if number == process:
            assert end.status == -signal.SIGKILL, end
            continue
        assert end.status not in (0, None), end
        said = end.said()
        # Ours, or that of jax's own watch over the others.
        assert "start all of them again" in said or "another task died" in said, end
    world.goes_on(run, straight, **options)


def _four(world: World) -> Path:
    return world.straight("four", **_options(_FOUR, FIELDS))


def _told(
    world: World,
    run: Path,
    straight: Path,
    options: dict[str, Any],
    sign: int,
    process: int,
    trial: int,
    bound: float,
) -> list[Ended]:
    """Send a signal to one process of a run as it trains; return how all ended.

    Raises:
        AssertionError: if they did not end within the bound, in seconds from the signal.
    """
    rng = np.random.default_rng((3, trial))
    first, last = runs.touches(straight, process)
    at = int(rng.integers(first + 1, first + 2 + (last - first) // 2))
    hit = Hit(at=at, signal=sign, process=process)
    ended = processes.finish(runs.start(world.root, run, hit=hit, **options))
    took = time.monotonic() - runs.told(run, process)
    assert took < bound, f"the last process ended {took:.0f} s after the signal"
    return ended
