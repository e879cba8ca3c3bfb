"""Let every fault befall real runs many times, and record which they survive.

    python -m tests.faults.campaign [--trials 50] [--only NAME ...] --output results/faults.json

One row a fault: how many trials, how many survived, and what those that did not said. The
record is written after every trial; the same command goes on at the first trial that is not
in it. The status is 1 where a trial did not survive. Runs are those of `tests.training.tiny_run`:
a small teacher and student, 96 pairs, 8 steps.
"""

import argparse
import json
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from tests.faults import kills
from tests.faults.world import World

# What happens in a trial, by its number; an AssertionError says that it did not survive.
FAULTS: dict[str, Callable[[World, int], None]] = {
    "kill -9 at random, during saves too, then resume": kills.kill,
}


def run(record: dict[str, Any], name: str, trial: int, world: World) -> None:
    """Do one trial and add its outcome to the fault's row."""
    rows = record["rows"]
    row = next((row for row in rows if row["fault"] == name), None)
    if row is None:
        row = {"fault": name, "trials": 0, "survived": 0, "seconds": 0.0}
        rows.append(row)
    began = time.monotonic()
    try:
        FAULTS[name](world, trial)
    except AssertionError as error:
        row.setdefault("failures", []).append(
            {"trial": trial, "said": str(error).replace(str(world.root), "")[:2000]}
        )
    else:
        row["survived"] += 1
    row["trials"] += 1
    row["seconds"] = round(row["seconds"] + time.monotonic() - began, 1)


def done(record: dict[str, Any], name: str) -> int:
    """Return how many trials of a fault the record holds."""
    return next((row["trials"] for row in record["rows"] if row["fault"] == name), 0)


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
    record |= {
        "command": "python -m tests.faults.campaign",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, jax {jax.__version__}",
        "date": time.strftime("%Y-%m-%d"),
    }
    names = [n for n in FAULTS if not args.only or any(p in n for p in args.only)]
    with tempfile.TemporaryDirectory(prefix="faults_") as folder:
        world = World.make(args.work or Path(folder))
        for name in names:
            for trial in range(done(record, name), args.trials):
                run(record, name, trial, world)
                _write(record, args.output)
                row = next(row for row in record["rows"] if row["fault"] == name)
                print(
                    f"{name}: {row['survived']} of {row['trials']} survived, "
                    f"{args.trials} wanted, {row['seconds']:.0f} s",
                    flush=True,
                )
    failed = [row["fault"] for row in record["rows"] if row["survived"] < row["trials"]]
    for name in failed:
        print(f"did not survive: {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
