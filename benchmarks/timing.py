"""Paired timing: alternate the candidates, keep each one's minimum, write rows as JSON."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import jax

from optical_jax.data import textfile
from optical_jax.models import products
from optical_jax.retrieval.record import processor

RESULTS = Path("results/benchmarks.json")


def seconds(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int
) -> dict[str, float]:
    """Time each candidate once a round, in turn; the minimum over rounds of each.

    The first call of each is not timed: it compiles.
    """
    for call in candidates.values():
        jax.block_until_ready(call())
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(rounds):
        for name, call in candidates.items():
            began = time.perf_counter()
            jax.block_until_ready(call())
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def machine() -> str:
    """Name the device, the cores and the processor, and whether that multiplies bfloat16."""
    kind = jax.devices()[0].device_kind
    rounds = products.rounding_is_faster(jax.default_backend())
    more = ", with bfloat16 products" if rounds else ""
    cores = len(os.sched_getaffinity(0))
    return f"{kind}, {cores} core{'s' * (cores > 1)}, {processor()}{more}"


def row(name: str, ours: float, peer: float, peer_name: str, **more: object) -> dict:
    """One row of results/benchmarks.json; ratio is peer / ours: above 1 we are faster."""
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "ratio": round(peer / ours, 2),
        "machine": machine(),
        **more,
    }


def record(rows: list[dict]) -> None:
    """Print rows and put them into results/benchmarks.json.

    Those of the same names, machine and precision are replaced; all others stay.
    """
    for each in rows:
        print(json.dumps(each))
    measured = lambda row: (row["name"], row["machine"], row.get("precision"))
    known = set(map(measured, rows))
    kept = []
    if RESULTS.is_file():
        found = json.loads(RESULTS.read_text())["rows"]
        kept = [row for row in found if measured(row) not in known]
    textfile.write(RESULTS, json.dumps({"rows": kept + rows}, indent=2) + "\n")
