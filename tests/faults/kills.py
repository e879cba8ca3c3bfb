"""kill -9 of a run of one process, wherever it is."""

import signal

import numpy as np

from tests.faults import runs
from tests.faults.runs import Hit
from tests.faults.world import ONE, World


def kill(world: World, trial: int) -> None:
    """Kill a run at random, some twice, and let it go on to a bit-identical end.

    The moment is the n-th time that the process opens, makes, renames or removes a file of
    its folder, n random over the whole run, and in every other trial up to 0.3 s later:
    most of it are saves, which are under way in threads beside the steps.
    """
    rng = np.random.default_rng((1, trial))
    run = world.fresh(f"kill-{trial}")
    for _ in range(1 + (trial % 3 == 2)):
        at = int(rng.integers(1, world.touches + 1))
        wait = float(rng.uniform(0.001, 0.3)) if trial % 2 else 0.0
        hit = Hit(at=at, wait=wait, signal=signal.SIGKILL)
        ended = runs.run(world.root, run, hit=hit, **ONE)
        # A second run has less to do and may come to its end before.
        if ended.status != 0:
            assert ended.status == -signal.SIGKILL, ended
            world.check_kept(run)
    world.goes_on(run)
