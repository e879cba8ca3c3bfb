"""Each fault of the campaign a few times: `python -m tests.faults.campaign` does many."""

import pytest

from tests.faults import kills
from tests.faults.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World.make(tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("trial", range(3))
def test_kill_minus_nine_at_random_then_bit_identical(world, trial):
    kills.kill(world, trial)
