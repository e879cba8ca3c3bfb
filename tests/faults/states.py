"""What a run left behind: its checkpoints bit for bit, its losses."""

import json
from pathlib import Path

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from optical_jax.models import folder
from optical_jax.training import step as step_lib
from optical_jax.training import trained, workdir

# A checkpoint as it is: path -> array; the data's position as JSON.
State = dict[str, np.ndarray | str]


def steps(run: Path) -> list[int]:
    """Return the steps of the complete checkpoints."""
    found = run / "checkpoints"
    names = [path.name for path in found.iterdir()] if found.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def unfinished(run: Path) -> list[str]:
    """Return what interrupted saves left, in the run's folder and in its checkpoints."""
    return sorted(
        path.name
        for path in (*run.iterdir(), *(run / "checkpoints").iterdir())
        if "tmp" in path.name
    )


def losses(run: Path) -> dict[int, float]:
    """Return the loss of every logged step; the last line may be cut off."""
    file, found = run / "metrics.jsonl", {}
    for line in file.read_text().splitlines() if file.is_file() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "loss" in row:
            found[row["step"]] = row["loss"]
    return found


class Reader:
    """Reads checkpoints of runs that train the same parameters."""

    def __init__(self, run: Path):
        """Learn the shapes from a run that has started."""
        config = workdir.read_config(run)
        params = trained.abstract(config, folder.load(run / "student"))
        _, init = step_lib.initial(config, params)
        state = jax.eval_shape(init, params)
        parts = {
            "params": state.params,
            "optimizer": {"step": state.step, "state": state.opt_state},
        }
        place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        self._parts = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), parts
        )

    def read(self, run: Path, step: int) -> State:
        """Return all of a checkpoint: parameters, optimizer, the data's position."""
        path = run / "checkpoints" / str(step)
        found = ocp.load_checkpointables(path, self._parts)
        leaves, _ = jax.tree.flatten_with_path(found)
        # Of all processes the position is the same.
        position = next((path / "data").glob("process_0-of-*.json")).read_text()
        return {"position": position} | {
            jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves
        }

    def difference(self, one: Path, other: Path, step: int) -> float:
        """Return the largest difference of any parameter of two runs at a step."""
        a, b = (self.read(run, step) for run in (one, other))
        names = [name for name in a if name.startswith("['params']")]
        return max(float(np.abs(a[name] - b[name]).max()) for name in names)


def same(one: State, other: State) -> bool:
    """Tell whether two checkpoints are the same, bit for bit."""
    equal = (np.array_equal(one[name], other[name]) for name in one)
    return one.keys() == other.keys() and all(equal)
