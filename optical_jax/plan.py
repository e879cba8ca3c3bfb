"""Plan a run: `python -m optical_jax.plan --config configs/plans/X.py --topology v5p:4x4x4`.

The run's own train step, the encoding of its corpus and its search are compiled ahead of time by
the real compiler for a named TPU topology, with no TPU and no weights: whether they fit, what they
compute, move and send, how fast they can be at most, and what that costs.
"""

import argparse
import dataclasses
import importlib.metadata
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import rich.console

from optical_jax import command, config_io
from optical_jax.config import Config
from optical_jax.planning import programs, roofline, table, topology
from optical_jax.planning.compilation import Program
from optical_jax.planning.table import Row
from optical_jax.planning.topology import Topology

_PROGRAMS = ("train", "encode", "search")
_TENSOR = (1, 2, 4, 8)


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status, 2 if the run does not fit."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options, rest = _parser().parse_known_args(argv)
    place = topology.parse(options.topology)
    config = config_io.parse(rest, prog="python -m optical_jax.plan")
    if options.pairs is not None and options.pairs < 1:
        raise ValueError(f"--pairs must be at least 1, got {options.pairs}")
    # Nothing is run: this machine's own accelerators stay untouched.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    jax.config.update("jax_platforms", os.environ["JAX_PLATFORMS"])
    console = rich.console.Console()
    if options.weak_scaling:
        places = [place, *map(topology.parse, options.weak_scaling)]
        return _scale(config, places, options, console, argv)
    devices = topology.devices(place)
    if options.search or options.meshes:
        shapes = options.meshes or candidates(len(devices))
        rows = [_row(config, shape, devices, options, console) for shape in shapes]
        best = table.show_search(console, rows, place)
        if best is None:
            console.print("the run fits on no mesh that was tried")
            return 2
        config = _with_mesh(config, best.mesh)
        train = best.program
    else:
        train = programs.train(config, devices, length=options.length)
    compiled = [train, *_others(config, devices, options)]
    cost = None
    if not train.refused:
        rate = train.examples / roofline.bound(train, place).seconds
        pairs = options.pairs or config.steps * config.data.batch_size
        cost = roofline.cost(pairs, rate=rate, topology=place)
    table.show(console, compiled, place, cost)
    if options.record:
        _record(options.record, config, train, place, devices, argv)
    return 0 if all(roofline.fits(one, place) for one in compiled) else 2


def candidates(devices: int) -> list[tuple[int, int, int]]:
    """Return meshes (data, fsdp, tensor) to try: tensor up to 8, fsdp all, some or none."""
    found = []
    for tensor in _TENSOR:
        if devices % tensor:
            continue
        rest = devices // tensor
        middle = 1 << (rest.bit_length() // 2)
        for fsdp in sorted({1, middle, rest}):
            if rest % fsdp == 0:
                found.append((rest // fsdp, fsdp, tensor))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m optical_jax.plan",
        allow_abbrev=False,
        description=__doc__.split("\n\n", 1)[1],
        epilog="--config FILE and every --field.of.config as in optical_jax.train; "
        "teacher.path and student.path may be a config.json.",
    )
    add = parser.add_argument
    add("--topology", required=True, help="chips and their shape, such as v5e:2x2")
    add("--pairs", type=int, help="pairs to train on; default: steps x batch_size")
    add("--length", type=int, help="tokens of a padded text; default: the longest")
    add("--programs", nargs="+", choices=_PROGRAMS, default=_PROGRAMS)
    add(
        "--encode_batch",
        type=int,
        default=64,
        help="documents a device encodes at once",
    )
    add("--search", action="store_true", help="try several meshes, and say the best")
    add("--meshes", nargs="+", type=_mesh, help="the meshes to try, as 2x16x2")
    add(
        "--weak_scaling",
        nargs="+",
        metavar="TOPOLOGY",
        help="larger topologies for train steps whose batches grow with the chips",
    )
    add("--record", type=Path, help="JSON file that the plan is added to")
    return parser


def _mesh(text: str) -> tuple[int, int, int]:
    parts = text.split("x")
    if len(parts) != 3 or not all(p.isdigit() and int(p) > 0 for p in parts):
        raise argparse.ArgumentTypeError(
            f"a mesh is DATAxFSDPxTENSOR such as 2x16x2, got {text!r}"
        )
    return tuple(int(p) for p in parts)


def _scale(
    config: Config,
    places: Sequence[Topology],
    options: argparse.Namespace,
    console: rich.console.Console,
    argv: list[str],
) -> int:
    """Compile the step for several topologies, each chip with the pairs it has on the first."""
    if options.search or options.meshes or options.pairs:
        raise ValueError(
            "--weak_scaling compiles train steps on the config's own mesh; leave --search, "
            "--meshes and --pairs out"
        )
    pairs, rest = divmod(config.data.batch_size, places[0].chips)
    if config.mesh.data != -1 or rest:
        raise ValueError(
            "--weak_scaling lets the data axis and the batch grow with the chips: it needs "
            f"mesh.data -1, got {config.mesh.data}, and a data.batch_size that the "
            f"{places[0].chips} chips of {places[0].name} share evenly, got "
            f"{config.data.batch_size}"
        )
    rows = []
    for place in places:
        console.print(f"compiling for {place.name}")
        data = dataclasses.replace(config.data, batch_size=pairs * place.chips)
        grown = dataclasses.replace(config, data=data)
        devices = topology.devices(place)
        rows.append((place, programs.train(grown, devices, length=options.length)))
        if options.record:
            _record(options.record, grown, rows[-1][1], place, devices, argv)
    table.show_scaling(console, rows)
    return 0 if all(roofline.fits(one, place) for place, one in rows) else 2


def _with_mesh(config: Config, shape: tuple[int, int, int]) -> Config:
    data, fsdp, tensor = shape
    mesh = dataclasses.replace(config.mesh, data=data, fsdp=fsdp, tensor=tensor)
    return dataclasses.replace(config, mesh=mesh)


def _row(
    config: Config,
    shape: tuple[int, int, int],
    devices: Sequence[Any],
    options: argparse.Namespace,
    console: rich.console.Console,
) -> Row:
    console.print(f"compiling for the mesh {'x'.join(map(str, shape))}")
    try:
        found = programs.train(
            _with_mesh(config, shape), devices, length=options.length
        )
    except ValueError as error:
        if "data.batch_size" not in str(error):
            raise
        return Row(mesh=shape, program=None, reason="batch not divisible")
    except NotImplementedError:  # jax.make_mesh finds no such mesh in the torus
        return Row(mesh=shape, program=None, reason="not in this torus")
    return Row(mesh=shape, program=found)


def _others(
    config: Config, devices: Sequence[Any], options: argparse.Namespace
) -> list[Program]:
    found = []
    if "encode" in options.programs:
        per_device = options.encode_batch
        found.append(programs.encoding(config, devices, per_device=per_device))
    if "search" in options.programs:
        found.append(programs.searching(config, devices))
    return found


def _record(
    path: Path,
    config: Config,
    train: Program,
    place: Topology,
    devices: Sequence[Any],
    argv: list[str],
) -> None:
    shown = shlex.join(["python", "-m", "optical_jax.plan", *argv])
    mesh = programs.mesh_of(config, devices)
    found = table.entry(config.name, shown, train, place, mesh)
    compiler = f"libtpu {importlib.metadata.version('libtpu')}, jax {jax.__version__}"
    table.record(path, found, compiler=compiler)


if __name__ == "__main__":
    sys.exit(main())
