"""Let every fault befall real runs many times, and record which they survive.

    python -m tests.faults.campaign [--trials 50] [--only NAME ...] --output results/faults.json

One row a fault: how many trials, how many survived, what those that did not said, and where
and when the last one was. The rows grow in step. The record is written after every trial; the
same command goes on with the trials that are not in it. The status is 1 where a trial did not
survive. Runs are those of `tests.training.tiny_run`: a small teacher and student, 96 pairs, 8
steps or 20.
"""

import argparse
import json
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from optical_jax.retrieval.record import machine
from tests.faults import damages, fuzzing, groups, kills, memory
from tests.faults.damages import NotPossibleHere
from tests.faults.world import World


class Fault(NamedTuple):
    """What happens in a trial, by its number, and which share of --trials there are.

    A trial may return more to record. An AssertionError says that it did not survive.
    """

    trial: Callable[[World, int], dict[str, Any] | None]
    share: float = 0.1


FAULTS = {
    "kill -9 at random, during saves too, then resume": Fault(kills.kill, 1.0),
    "another mesh and number of processes": Fault(groups.another_mesh),
    "two and four processes as one": Fault(groups.several_as_one, 0.06),
    "SIGTERM": Fault(groups.sigterm),
    "one of four processes killed": Fault(groups.one_of_four_killed),
    "disk full": Fault(damages.disk_full),
    "limit on the size of files": Fault(damages.file_limit),
    "read-only folder": Fault(damages.read_only, 0.04),
    "data shard gone or damaged": Fault(damages.shard_damaged),
    "weights gone or damaged": Fault(damages.weights_damaged),
    "checkpoint damaged": Fault(damages.checkpoint_damaged),
    "loss that is no number": Fault(damages.not_a_number),
    "clock that jumps": Fault(damages.clock, 0.06),
    "fuzzed files of every format": Fault(fuzzing.fuzz, 0.2),
    "host memory of a save below 1.5 times the state": Fault(memory.save, 0.02),
}


def run(record: dict[str, Any], name: str, trial: int, world: World) -> dict[str, Any]:
    """Do one trial and add its outcome to the fault's row, which is returned."""
    row = _row(record, name)
    if row is None:
        row = {"fault": name, "trials": 0, "survived": 0, "seconds": 0.0}
        record["rows"].append(row)
    began = time.monotonic()
    try:
        measured = FAULTS[name].trial(world, trial)
    except NotPossibleHere as error:
        row["not_possible_here"] = str(error)
        return row
    except AssertionError as error:
        row.setdefault("failures", []).append(
            {"trial": trial, "said": str(error).replace(str(world.root), "")[:2000]}
        )
    else:
        row["survived"] += 1
        row |= measured or {}
    row["trials"] += 1
    row["seconds"] = round(row["seconds"] + time.monotonic() - began, 1)
    row |= {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    return row


def wanted(name: str, trials: int) -> int:
    """Return how many trials a fault gets."""
    return max(1, round(FAULTS[name].share * trials))


def missing(
    record: dict[str, Any], names: list[str], trials: int
) -> list[tuple[str, int]]:
    """Return the trials that the record lacks, so that all rows grow in step."""
    found = []
    for place, name in enumerate(names):
        row, count = _row(record, name), wanted(name, trials)
        first = row["trials"] if row else 0
        found += [(i / count, place, name, i) for i in range(first, count)]
    return [(name, trial) for _, _, name, trial in sorted(found)]


def _row(record: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((row for row in record["rows"] if row["fault"] == name), None)


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.campaign", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", default=[], help="part of a fault's name"
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--work", type=Path, help="keeps compiled programs for the next call"
    )
    args = parser.parse_args(argv)
    wrong = [part for part in args.only if not any(part in name for name in FAULTS)]
    if wrong:
        parser.error(f"no fault is named {wrong[0]!r}; there are {list(FAULTS)}")
    return args


def _write(record: dict[str, Any], path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(record, indent=2) + "\n")
    temporary.replace(path)


def main(argv: list[str] | None = None) -> int:
    """Run what the record lacks; return 1 if a trial of it did not survive."""
    args = _parsed(argv)
    record: dict[str, Any] = {"rows": []}
    if args.output.is_file():
        record = json.loads(args.output.read_text())
    record |= {"command": "python -m tests.faults.campaign"}
    names = [n for n in FAULTS if not args.only or any(p in n for p in args.only)]
    with tempfile.TemporaryDirectory(prefix="faults_") as folder:
        world = World.make(args.work or Path(folder))
        for name, trial in missing(record, names, args.trials):
            row = _row(record, name)
            if row and "not_possible_here" in row:
                continue
            row = run(record, name, trial, world)
            _write(record, args.output)
            print(
                f"{name}: {row['survived']} of {row['trials']} survived, "
                f"{wanted(name, args.trials)} wanted, {row['seconds']:.0f} s",
                flush=True,
            )
    failed = [row["fault"] for row in record["rows"] if row["survived"] < row["trials"]]
    for name in failed:
        print(f"did not survive: {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
