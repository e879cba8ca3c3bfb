"""A plan as tables to read, and as an entry of results/plans.json."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich.box
import rich.console
import rich.table

from optical_jax.data import staging
from optical_jax.planning import roofline, topology
from optical_jax.planning.compilation import Program
from optical_jax.planning.roofline import Bound, Cost
from optical_jax.planning.topology import Topology

_RATES = {"train": "pairs", "encode": "documents", "search": "documents a query batch"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A mesh of a search: its train step, or why there is none."""

    mesh: tuple[int, int, int]
    program: Program | None
    reason: str = ""


def show(
    console: rich.console.Console,
    programs: Sequence[Program],
    place: Topology,
    cost: Cost | None,
) -> None:
    """Print memory, arithmetic, network and time of a run's programs, and what it costs."""
    table = rich.table.Table(box=rich.box.SIMPLE, title=f"{place.name}: each device")
    table.add_column("")
    for one in programs:
        table.add_column(one.name, justify="right")
    bounds = [roofline.bound(one, place) for one in programs]
    pairs = list(zip(programs, bounds, strict=True))
    for label, values in _lines(pairs, place):
        table.add_row(label, *values)
    console.print(table)
    for one in programs:
        if one.collectives:
            console.print(_collectives(one))
    for line in _notes(programs, place, cost):
        console.print(line, soft_wrap=True)


def show_search(
    console: rich.console.Console, rows: Sequence[Row], place: Topology
) -> Row | None:
    """Print the train step on each mesh; return the best one that fits."""
    table = rich.table.Table(box=rich.box.SIMPLE, title=f"{place.name}: meshes")
    for name in ("data x fsdp x tensor", "fits", "memory", "step", "limit", "MFU"):
        table.add_column(name, justify="right")
    best = best_of(rows, place)
    for row in rows:
        name = "x".join(map(str, row.mesh)) + (" (best)" if row is best else "")
        if row.program is None:
            table.add_row(name, "-", row.reason)
            continue
        one, bound = row.program, roofline.bound(row.program, place)
        took = one.refused == ""
        table.add_row(
            name,
            "yes" if roofline.fits(one, place) else "no",
            _gib(one.memory),
            _time(bound.seconds) if took else "-",
            bound.limit if took else "-",
            f"{bound.mfu:.1%}" if took else "-",
        )
    console.print(table)
    return best


def show_scaling(
    console: rich.console.Console, rows: Sequence[tuple[Topology, Program]]
) -> None:
    """Print what a chip computes and sends as their number grows."""
    table = rich.table.Table(box=rich.box.SIMPLE, title="train: a chip's share")
    for name in (
        "topology",
        "chips",
        "pairs",
        "FLOPs",
        "sent",
        "memory",
        "step",
        "MFU",
    ):
        table.add_column(name, justify="right")
    compiled = (o.flops * p.chip.devices_per_chip for p, o in rows if not o.refused)
    base = next(compiled, 0.0)
    for place, one in rows:
        bound, share = roofline.bound(one, place), place.chip.devices_per_chip
        shown = [place.name, f"{place.chips:,}", f"{one.examples:,}"]
        if one.refused:
            table.add_row(*shown, "-", "-", _gib(one.memory * share), "-", "-")
            continue
        table.add_row(
            *shown,
            f"{one.flops * share:.4g} ({one.flops * share / base - 1:+.1%})",
            f"{one.sent * share:.3g}",
            _gib(one.memory * share),
            _time(bound.seconds),
            f"{bound.mfu:.1%}",
        )
    console.print(table)


def best_of(rows: Sequence[Row], place: Topology) -> Row | None:
    """Return the row with the shortest step of those that fit; of equals, least memory."""
    fitting = [
        r for r in rows if r.program is not None and roofline.fits(r.program, place)
    ]
    return min(
        fitting,
        key=lambda r: (roofline.bound(r.program, place).seconds, r.program.memory),
        default=None,
    )


def entry(
    name: str, command: str, program: Program, place: Topology, mesh: dict[str, int]
) -> dict[str, Any]:
    """Return what results/plans.json holds of a train step."""
    bound, share = roofline.bound(program, place), place.chip.devices_per_chip
    took = program.refused == ""
    return {
        "name": name,
        "topology": place.name,
        "mesh": mesh,
        "batch_size": program.examples,
        "fits": roofline.fits(program, place),
        "hbm_bytes_per_chip": round(program.memory * share),
        "flops_per_chip": program.flops * share if took else None,
        "collective_bytes_per_chip": round(program.sent * share) if took else None,
        "step_seconds": bound.seconds if took else None,
        "mfu_bound": bound.mfu if took else None,
        "limit": bound.limit if took else None,
        "command": command,
    }


def record(path: Path, found: dict[str, Any], *, compiler: str) -> None:
    """Write an entry into the file of plans, in place of one of the same name and topology."""
    plans = (
        json.loads(path.read_text(encoding="utf-8"))["plans"] if path.exists() else []
    )
    same = lambda p: (p["name"], p["topology"]) == (found["name"], found["topology"])
    found = found | {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "compiler": compiler,
    }
    plans = [p for p in plans if not same(p)] + [found]
    with staging.file(path) as temporary:
        temporary.write_text(
            json.dumps({"plans": plans}, indent=2) + "\n", encoding="utf-8"
        )


def _lines(
    pairs: Sequence[tuple[Program, Bound]], place: Topology
) -> list[tuple[str, list[str]]]:
    programs = [one for one, _ in pairs]
    fits = ["yes" if roofline.fits(p, place) else "no" for p in programs]
    limit = _gib(place.hbm_per_device)
    lines = [
        (f"fits into {limit}", fits),
        ("memory", [_gib(p.memory) for p in programs]),
        ("  parameters, state, batch", [_gib(p.arguments) for p in programs]),
        ("  held beside", [_gib(p.held) for p in programs]),
        ("  temporaries", [_gib(p.temporaries) for p in programs]),
        ("  outputs", [_gib(p.outputs) for p in programs]),
        ("  code", [_gib(p.code) for p in programs]),
    ]

    def line(label: str, values: Any) -> None:  # noqa: ANN401
        shown = [
            values(p, b) if not p.refused else "-" for p, b in pairs
        ]  # a refused program has sizes alone
        lines.append((label, shown))

    line("FLOPs of matrix products", lambda p, b: f"{p.flops:.3g}")
    line("bytes of memory traffic", lambda p, b: f"{p.bytes_accessed:.3g}")
    line("bytes sent", lambda p, b: f"{p.sent:.3g}")
    line("least time", lambda p, b: _time(b.seconds))
    line("  matrix products", lambda p, b: _time(b.compute))
    line("  memory traffic", lambda p, b: _time(b.memory))
    line("  network", lambda p, b: _time(b.network))
    line("limited by", lambda p, b: b.limit)
    line("MFU at most", lambda p, b: f"{b.mfu:.1%}")
    line(
        "examples a second at most",
        lambda p, b: f"{p.examples / b.seconds:,.0f} {_RATES[p.name]}",
    )
    line("compiled in", lambda p, b: f"{p.seconds:.0f} s")
    return lines


def _collectives(program: Program) -> rich.table.Table:
    table = rich.table.Table(
        box=rich.box.SIMPLE, title=f"{program.name}: collectives of a device"
    )
    for name in ("kind", "axes", "devices", "runs", "bytes", "bytes sent"):
        table.add_column(name, justify="left" if name in ("kind", "axes") else "right")
    for one in program.collectives:
        table.add_row(
            one.kind,
            " ".join(one.axes),
            str(one.group),
            str(one.count),
            f"{one.payload:.3g}",
            f"{one.sent:.3g}",
        )
    return table


def _notes(
    programs: Sequence[Program], place: Topology, cost: Cost | None
) -> list[str]:
    lines = [f"{p.name} does not fit: {p.refused}" for p in programs if p.refused]
    lines += [
        f"{p.name}: the trips of {p.unknown_loops} loops are not known; each counts once"
        for p in programs
        if p.unknown_loops
    ]
    if cost is not None:
        price = "price not recorded"
        if cost.dollars is not None:
            price = f"${cost.dollars:,.2f} on demand"
        lines.append(
            f"{cost.examples:,} pairs: at least {cost.hours:.3g} h, "
            f"{cost.chip_hours:.3g} chip-hours, {price} (prices of {topology.dated()})"
        )
    return lines


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"
