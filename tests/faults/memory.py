"""Host memory while a checkpoint is saved."""

from benchmarks import saving
from tests.faults.world import World

# 240 MB with both moments: what a process needs besides is small against it.
_PARAMETERS = 20_000_000


def save(world: World, trial: int) -> dict[str, float]:
    """Save a state: memory grows by less than 1.5 times the state held on this host."""
    found = saving.measure(_PARAMETERS)
    assert found["ratio"] < 1.5, found
    return {name: found[name] for name in ("ratio", "state_bytes", "peak_bytes")}
