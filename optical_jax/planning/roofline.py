"""From what a program does to the least time it can take, and what a run costs then.

Roofline (Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785): arithmetic, memory and
network work side by side at best, so a step takes at least as long as the slowest of them.
"""

from dataclasses import dataclass

from optical_jax.planning.compilation import Program
from optical_jax.planning.topology import Topology


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The least seconds that a program takes, and by what.

    Attributes:
        compute: of the matrix units, in bfloat16.
        memory: of the traffic with the main memory.
        network: of collectives, each over the two links of one torus dimension.
        mfu: the share of the peak that the model's own FLOPs can reach.
    """

    compute: float
    memory: float
    network: float
    mfu: float

    @property
    def seconds(self) -> float:
        """The roofline: all three overlap perfectly."""
        return max(self.compute, self.memory, self.network)

    @property
    def limit(self) -> str:
        """What the time goes to."""
        return max(("compute", "memory", "network"), key=lambda n: getattr(self, n))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a number of examples takes; dollars is None where the price is not recorded."""

    examples: int
    hours: float
    chip_hours: float
    dollars: float | None


def bound(program: Program, topology: Topology) -> Bound:
    """Return the roofline of a program on the devices of a topology."""
    chip, share = topology.chip, topology.chip.devices_per_chip
    compute = program.flops / (chip.flops_per_second / share)
    memory = program.bytes_accessed / (chip.hbm_bytes_per_second / share)
    network = program.sent / (2 * chip.ici_link_bytes_per_second)
    seconds = max(compute, memory, network)
    peak = chip.flops_per_second / share
    mfu = program.model_flops / (peak * seconds) if seconds else 0.0
    return Bound(compute=compute, memory=memory, network=network, mfu=mfu)


def fits(program: Program, topology: Topology) -> bool:
    """Tell whether a program fits: the compiler took it, and all that lies beside it."""
    return not program.refused and program.memory <= topology.hbm_per_device


def cost(examples: int, *, rate: float, topology: Topology) -> Cost:
    """Return what so many examples cost.

    Args:
        examples: to be worked through.
        rate: examples a second, of the whole topology.
        topology: its chips are paid for.
    """
    hours = examples / rate / 3600
    chip_hours = hours * topology.chips
    price = topology.chip.dollars_per_chip_hour
    return Cost(
        examples=examples,
        hours=hours,
        chip_hours=chip_hours,
        dollars=None if price is None else chip_hours * price,
    )
