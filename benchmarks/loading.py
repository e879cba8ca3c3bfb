"""Peak host memory of loading a made-up encoder of a billion bfloat16 parameters.

    python -m benchmarks.loading

The checkpoint (random numbers, several files and an index) is written to a temporary folder
and loaded in fresh processes for each case. `ratio` is what a process's resident memory
grew by, at its peak, over the shards that it keeps plus the largest tensor; of several
processes the one that grew most is recorded.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax
import ml_dtypes
import numpy as np
from flax import nnx

from optical_jax.config import MeshConfig
from optical_jax.data import textfile
from optical_jax.models import families, hf, weights
from optical_jax.models.modernbert import ModernBertConfig
from optical_jax.retrieval.record import machine
from optical_jax.training import distributed, sharding

RESULTS = Path("results/loading.json")
CONFIG = ModernBertConfig(
    vocab_size=256_000,
    hidden_size=1280,
    num_hidden_layers=34,
    num_attention_heads=20,
    intermediate_size=3584,
    pad_token_id=0,
)


class Case(NamedTuple):
    """Processes, the devices of each that the parameters are cut over, and their dtype."""

    processes: int
    devices: int
    dtype: str | None


CASES = {
    "one device, bfloat16 kept": Case(1, 1, None),
    "one device, float32": Case(1, 1, "float32"),
    "8 devices, bfloat16 kept": Case(1, 8, None),
    "2 processes of 4 devices, bfloat16 kept": Case(2, 4, None),
}
_SHARD_BYTES = 500_000_000
_STATUS = Path("/proc/self/status")


def write_checkpoint(folder: Path) -> None:
    """Write config.json and random weights, one file's tensors in memory at a time."""
    fields = families.config_fields(CONFIG, dtype="bfloat16")
    (folder / "config.json").write_text(json.dumps(fields))
    ours = {path: leaf.shape for path, leaf in hf.abstract_params(CONFIG).items()}
    shapes = {
        name: hf.their_shape(tensor, ours)
        for name, tensor in families.key_table(CONFIG).items()
    }
    rng = np.random.default_rng(0)

    def make(name: str) -> np.ndarray:
        # Random exponents near 1 cost no arithmetic: bits, not normal numbers.
        bits = rng.integers(0x3C00, 0x3F80, shapes[name], np.uint16)
        return bits.view(ml_dtypes.bfloat16)

    sizes = {name: 2 * int(np.prod(shape)) for name, shape in shapes.items()}
    weights.write(folder, sizes, make, shard_bytes=_SHARD_BYTES)


def resident(field: str) -> int:
    """Return this process's resident bytes: VmRSS now, VmHWM at the peak."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(lines[field].split()[0]) * 1024


def reset_peak() -> None:
    """Set the peak back to what is resident now (proc_pid_clear_refs(5))."""
    Path("/proc/self/clear_refs").write_text("5")


def load(folder: Path, case: Case) -> dict:
    """Load the checkpoint in this process and return what that took, in bytes."""
    jax.config.update("jax_num_cpu_devices", case.devices)
    distributed.start()
    mesh = sharding.make_mesh(MeshConfig(data=1, fsdp=jax.device_count()))
    config = hf.read_config(folder)
    abstract = hf.abstract_params(config)
    shardings = sharding.of_state(nnx.from_flat_state(abstract), mesh)
    largest = max(entry.nbytes for entry in weights.entries(folder).values())
    reset_peak()
    before = resident("VmRSS")
    params = hf.read_params(folder, config, dtype=case.dtype, shardings=shardings)
    jax.block_until_ready(params)
    peak = resident("VmHWM")
    kept = sum(
        shard.data.nbytes
        for leaf in jax.tree.leaves(params)
        for shard in leaf.addressable_shards
    )
    if case.dtype is not None:
        largest *= np.dtype(case.dtype).itemsize // 2
    return {
        "parameters": sum(leaf.size for leaf in abstract.values()),
        "shards_bytes": kept,
        "largest_tensor_bytes": largest,
        "before_bytes": before,
        "peak_bytes": peak,
        "ratio": round((peak - before) / (kept + largest), 3),
    }


def measure(folder: str, name: str) -> dict:
    """Load the checkpoint as a case says and return the figures of its largest process."""
    command = [sys.executable, "-m", "benchmarks.loading", "--load", folder, name]
    count = CASES[name].processes
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = []
    for i in range(count):
        joined = {
            "JAX_COORDINATOR_ADDRESS": address,
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(i),
        }
        started.append(
            subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True, env=os.environ | joined
            )
        )
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"a process of the case {name!r} failed; its error is above")
    return max(
        (json.loads(text.splitlines()[-1]) for text in said), key=lambda r: r["ratio"]
    )


def main() -> None:
    """Write the checkpoint, load it in each way, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--load", nargs=2, metavar=("FOLDER", "CASE"))
    args = parser.parse_args()
    if args.load:
        print(json.dumps(load(Path(args.load[0]), CASES[args.load[1]])))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder))
        for name in CASES:
            rows.append({"name": name, **measure(folder, name)})
            print(json.dumps(rows[-1]))
    record = {
        "command": "python -m benchmarks.loading",
        "machine": machine(),
        "rows": rows,
    }
    textfile.write(RESULTS, json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
