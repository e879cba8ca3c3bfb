"""Named TPU topologies: what their chips can do, and devices that programs compile for.

`chips.json` beside this file holds the numbers, with their date and sources.
"""

import difflib
import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies

_CHIPS = Path(__file__).with_name("chips.json")


@dataclass(frozen=True, kw_only=True)
class Chip:
    """What one chip can do; where it is two devices to JAX, both together.

    Attributes:
        flops_per_second: of matrix products in bfloat16, at the most.
        hbm_gib: size of its memory.
        hbm_bytes_per_second: bandwidth of that.
        ici_link_bytes_per_second: of one link to another chip, one way.
        devices_per_chip: as JAX counts them.
        dollars_per_chip_hour: list price on demand; None: not recorded.
        topologies: shapes that can be had.
    """

    flops_per_second: float
    hbm_gib: int
    hbm_bytes_per_second: float
    ici_link_bytes_per_second: float
    devices_per_chip: int
    dollars_per_chip_hour: float | None
    topologies: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A slice of so many chips, by name; the figures of `chip` are per chip."""

    name: str
    chip: Chip
    chips: int

    @property
    def hbm_per_device(self) -> float:
        """Memory of a device in bytes."""
        return self.chip.hbm_gib * 2**30 / self.chip.devices_per_chip


def known() -> dict[str, Chip]:
    """Return the chips of chips.json by the name that topologies start with."""
    return {
        name: Chip(**{**fields, "topologies": tuple(fields["topologies"])})
        for name, fields in _table()["chips"].items()
    }


def dated() -> str:
    """Return the day of the prices and figures."""
    return _table()["dated"]


def parse(name: str) -> Topology:
    """Return the topology of a name such as "v5p:4x4x4".

    Raises:
        ValueError: listing the names there are.
    """
    chips = known()
    kind, _, shape = name.partition(":")
    if kind in chips and shape in chips[kind].topologies:
        size = int(np.prod([int(n) for n in shape.split("x")]))
        return Topology(name=name, chip=chips[kind], chips=size)
    shown = chips if kind not in chips else {kind: chips[kind]}
    names = [f"{k}:{s}" for k, chip in shown.items() for s in chip.topologies]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"--topology must be one of {', '.join(names)}, got {name!r}{hint}"
    )


def devices(topology: Topology) -> list[Any]:
    """Return devices to compile for; they run nothing, and no TPU is needed.

    Raises:
        ValueError: if libtpu is not installed; says how to install it.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise ValueError(
            "planning compiles with libtpu, which is not installed; install it by "
            f'pip install "jax[tpu]=={jax.__version__}" (Linux; no TPU is needed)'
        )
    # libtpu would look for the machine's own TPU.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    return list(
        topologies.get_topology_desc(
            platform="tpu", topology_name=topology.name
        ).devices
    )


def _table() -> dict[str, Any]:
    return json.loads(_CHIPS.read_text(encoding="utf-8"))
