"""Peak host memory of saving a run's state.

    python -m benchmarks.saving [--parameters 20e6]

A state of so many float32 parameters with both moments of Adam, cut over 4 devices of this
host, is made and saved in the background, as training does it, in a fresh
process. `ratio` is what the process's resident memory grew by, at its peak until the save was
complete, over the state held on this host. On a CPU the state itself is host memory, too:
`ratio_with_state` counts both.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from benchmarks.loading import reset_peak, resident
from optical_jax.config import MeshConfig
from optical_jax.data import textfile
from optical_jax.retrieval.record import machine
from optical_jax.training import checkpoint, sharding
from optical_jax.training.step import TrainState

RESULTS = Path("results/saving.json")
# Rows are cut over the devices; one matrix is larger than the others, as embeddings are.
_WIDTH = 1024
_MATRICES = 16


def save(folder: Path, parameters: int) -> dict:
    """Save a state from this process and return what that took, in bytes."""
    jax.config.update("jax_num_cpu_devices", 4)
    mesh = sharding.make_mesh(MeshConfig(data=1, fsdp=4))
    placed = NamedSharding(mesh, PartitionSpec("fsdp"))
    rows = [parameters // 3] + [parameters * 2 // 3 // _MATRICES] * _MATRICES
    rows = [count // _WIDTH // 4 * 4 for count in rows]

    def make() -> TrainState:
        key = jax.random.key(0)
        params = {
            f"layer {i}": jax.random.normal(jax.random.fold_in(key, i), (n, _WIDTH))
            for i, n in enumerate(rows)
        }
        moments = [jax.tree.map(lambda x: x * 0.1, params) for _ in range(2)]
        return TrainState(jnp.zeros((), jnp.int32), params, moments)

    shardings = jax.tree.map(
        lambda x: placed if x.ndim else sharding.replicated(mesh), jax.eval_shape(make)
    )
    state = jax.block_until_ready(jax.jit(make, out_shardings=shardings)())
    held = sum(
        shard.data.nbytes
        for leaf in jax.tree.leaves(state)
        for shard in leaf.addressable_shards
    )
    data = iter(grain.MapDataset.source(np.arange(10)).repeat().to_iter_dataset())
    with checkpoint.Checkpoints(folder, keep=1, best_by="rr") as checkpoints:
        reset_peak()
        before = resident("VmRSS")
        began = time.perf_counter()
        checkpoints.save(1, state, data, metrics=None)
        blocked = time.perf_counter() - began
        checkpoints.wait()
        seconds = time.perf_counter() - began
        peak = resident("VmHWM")
    return {
        "state_bytes": held,
        "before_bytes": before,
        "peak_bytes": peak,
        "ratio": round((peak - before) / held, 3),
        "ratio_with_state": round((peak - before + held) / held, 3),
        "blocked_seconds": round(blocked, 2),
        "seconds": round(seconds, 2),
    }


def measure(parameters: int) -> dict:
    """Save in a fresh process, to a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.saving", "--save", folder]
        done = subprocess.run(
            [*command, "--parameters", str(parameters)],
            check=True,
            capture_output=True,
            text=True,
        )
    return {"parameters": parameters, **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    """Save, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parameters", type=float, default=20e6)
    parser.add_argument("--save", metavar="FOLDER", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.save:
        print(json.dumps(save(Path(args.save), int(args.parameters))))
        return
    record = {
        "command": "python -m benchmarks.saving",
        "machine": machine(),
        "rows": [measure(int(args.parameters))],
    }
    print(json.dumps(record["rows"][0]))
    textfile.write(RESULTS, json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
