"""Collectives of compiled HLO: how many bytes each sends, over which axes of the mesh."""

import collections
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optical_jax.planning.hlo import Instruction, Module

KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "collective-permute",
    "all-to-all",
)
_MESH = re.compile(r"replica_groups=mesh\[([^\]]*)\](?:[^{]*?)\s*\{([^}]*)\}")
_IOTA = re.compile(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
_LISTS = re.compile(r"replica_groups=\{(\{[\d,{}]*\})\}")
_PAIRS = re.compile(r"source_target_pairs=\{(\{[\d,{}]*\})\}")


@dataclass(frozen=True, kw_only=True)
class Collective:
    """All collectives of one kind over the same axes of the mesh, in one step.

    Attributes:
        kind: one of KINDS.
        axes: of the mesh, along which the devices of a group lie.
        group: devices that take part in one.
        count: how many are run.
        payload: bytes of the whole arrays, one device's.
        sent: bytes that one device sends, by a ring.
    """

    kind: str
    axes: tuple[str, ...]
    group: int
    count: int
    payload: float
    sent: float


def find(module: Module, mesh: Mapping[str, int]) -> list[Collective]:
    """Return the collectives of a step, those that send most first.

    Args:
        module: the program of one device.
        mesh: size of each axis; device i of the program is the i-th of the mesh.
    """
    total: dict[tuple, list[float]] = collections.defaultdict(lambda: [0, 0.0, 0.0])
    for name, runs in module.runs.items():
        body = module.computations[name]
        starts = any("AsyncCollectiveStart" in i.attributes for i in body.values())
        for one in body.values():
            kind = one.opcode.removesuffix("-start")
            # TPUs spread one collective over several fusions: its start alone is counted.
            spread = "async_collective_fusion_config" in one.attributes
            if kind not in KINDS or (spread and not starts):
                continue
            if kind == "all-reduce" and name.startswith("all-reduce-scatter"):
                kind = "reduce-scatter"  # as TPUs fuse it: a sum, and a slice of it
            groups = _groups(one, int(np.prod(list(mesh.values()))))
            size = max(len(group) for group in groups)
            if size < 2:
                continue
            payload = _payload(one, body)
            found = total[kind, _axes(groups, mesh), size]
            found[0] += runs
            found[1] += runs * payload
            found[2] += runs * sent(kind, payload, size)
    made = [
        Collective(kind=k, axes=a, group=n, count=int(c), payload=p, sent=s)
        for (k, a, n), (c, p, s) in total.items()
    ]
    return sorted(made, key=lambda one: -one.sent)


def sent(kind: str, payload: float, group: int) -> float:
    """Return the bytes that each device of a ring sends for an array of payload bytes."""
    share = (group - 1) / group
    return payload * {"all-reduce": 2 * share, "collective-permute": 1.0}.get(
        kind, share
    )


def _payload(one: Instruction, body: Mapping[str, Instruction]) -> float:
    """Return the bytes of the whole array: the larger of what goes in and comes out."""
    given = sum((body[o].size() for o in one.operands), 0.0)
    if not one.opcode.endswith("-start"):
        return max(given, one.size())
    # Its result is (operands, results) for most; for an all-reduce the results alone.
    return max(given, one.size() - given)


def _groups(one: Instruction, devices: int) -> list[list[int]]:
    text = one.attributes
    if found := _MESH.search(text):
        return _mesh_groups(*found.groups())
    if found := _IOTA.search(text):
        shape, dims, order = (_numbers(part or "") for part in found.groups())
        ids = np.arange(np.prod(dims)).reshape(dims)
        return ids.transpose(order or range(len(dims))).reshape(shape).tolist()
    if found := _LISTS.search(text) or _PAIRS.search(text):
        return [_numbers(part) for part in re.findall(r"\{([\d,]+)\}", found[1])]
    return [list(range(devices))]


def _mesh_groups(axes: str, chosen: str) -> list[list[int]]:
    """Read mesh['a'=2,'b'=4] {'a','b':(1)2}: groups along axes, or parts of them."""
    sizes = {n: int(s) for n, s in re.findall(r"'([^']+)'=(\d+)", axes)}
    dims, along = [], []
    parts = collections.defaultdict(list)
    for name, before, size in re.findall(r"'([^']+)'(?::\((\d+)\)(\d+))?", chosen):
        parts[name].append((int(before or 1), int(size or sizes[name])))
    for name, size in sizes.items():
        done = 1
        for before, part in sorted(parts[name]):
            if before > done:
                dims.append(before // done)
            along.append(len(dims))
            dims.append(part)
            done = before * part
        if done < size:
            dims.append(size // done)
    ids = np.arange(np.prod(list(sizes.values()))).reshape(dims)
    others = [i for i in range(len(dims)) if i not in along]
    count = int(np.prod([dims[i] for i in along]))
    return ids.transpose(others + along).reshape(-1, count).tolist()


def _axes(groups: list[list[int]], mesh: Mapping[str, int]) -> tuple[str, ...]:
    """Return the axes along which the devices of any group differ."""
    names = list(mesh)
    varying = set()
    for group in groups:
        places = np.array(np.unravel_index(group, tuple(mesh.values())))
        varying |= {names[i] for i in np.flatnonzero(np.ptp(places, axis=1))}
    return tuple(name for name in names if name in varying)


def _numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",") if n]
