"""Processes that train together hold their shards of the encoders alone; losses are one's."""

import json

import pytest

from tests.long import hosts
from tests.training import tiny_run

_PRESET = """
from pathlib import Path
from optical_jax.config import MeshConfig, StudentConfig
from optical_jax.models.lora import LoraConfig
from tests.training import tiny_run
def get_config():
    student = StudentConfig(lora=LoraConfig(rank={rank}))
    return tiny_run.config(
        Path({root!r}), Path({run!r}), student=student, mesh=MeshConfig(data=1, fsdp=4)
    )
"""
# Each process says which part of the encoders' numbers its fullest device has, as it prepares
# and as it trains, and how many of those that it prepared with are left then.
_WATCHED = """
import collections, json, pathlib, jax
from optical_jax.training import inputs
on_mesh = inputs.on_mesh
def leaves(made):
    return jax.tree.leaves((made.student.params, made.teacher.params))
def fullest(made):
    held = collections.Counter()
    for leaf in leaves(made):
        for shard in leaf.addressable_shards:
            held[shard.device] += shard.data.size
    return max(held.values()) / sum(leaf.size for leaf in leaves(made))
def watched(made, config, run, mesh):
    before, prepared = fullest(made), leaves(made)
    found = on_mesh(made, config, run, mesh)
    said = {
        "preparing": before,
        "training": fullest(found),
        "left": sum(not leaf.is_deleted() for leaf in prepared),
    }
    file = pathlib.Path(config.workdir + f"-{jax.process_index()}.json")
    file.write_text(json.dumps(said))
    return found
inputs.on_mesh = watched
"""


def _train(root, name, *, rank, count):
    run, preset = root / name, root / f"{name}.py"
    preset.write_text(_PRESET.format(rank=rank, root=str(root), run=str(run)))
    ended = hosts.run(
        "train",
        ["--config", preset],
        beside=run,
        count=count,
        devices=4 // count,
        before=_WATCHED,
    )
    assert [status for status, *_ in ended] == [0] * count, ended
    said = [json.loads((root / f"{name}-{i}.json").read_text()) for i in range(count)]
    return tiny_run.losses(run), said


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("several")
    tiny_run.write_inputs(path)
    return path


@pytest.mark.parametrize("rank", [0, 2])
def test_each_process_holds_its_shards_alone(rank, root):
    wanted, (alone,) = _train(root, f"one-{rank}", rank=rank, count=1)
    losses, said = _train(root, f"two-{rank}", rank=rank, count=2)
    assert losses == pytest.approx(wanted, abs=1e-5)
    assert list(wanted) == list(range(1, 7))
    # What is not cut, biases and norms, is a few per cent of this encoder.
    assert 0.25 <= alone["training"] == alone["preparing"] < 0.3
    for process in said:
        # Over its own two devices, then over those of both.
        assert 0.5 <= process["preparing"] < 0.55
        assert process["training"] == alone["training"]
        assert process["left"] == 0
