import dataclasses

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from optical_jax.config import MeshConfig
from optical_jax.models import retriever
from optical_jax.training import sharding
from tests.models import tiny


def test_every_kernel_is_cut_by_the_rules():
    model = tiny.make(tiny.TOKENWISE)
    mesh = sharding.make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    found = sharding.of_state(jax.eval_shape(lambda: model.params), mesh)
    layer = found["encoder"]["layers"][0]
    spec = lambda leaf: leaf.get_raw_value().spec
    assert spec(layer["query"]["kernel"]) == P("fsdp", "tensor")
    assert spec(layer["out"]["kernel"]) == P("tensor", "fsdp")
    assert spec(layer["up"]["kernel"]) == P("fsdp", "tensor")
    assert spec(layer["down"]["kernel"]) == P("tensor", "fsdp")
    assert spec(layer["up"]["bias"]) == P("tensor")


def test_what_does_not_divide_stays_whole():
    model = tiny.make(tiny.TOKENWISE)
    odd = model.encoder.vocab_size | 1
    config = type(model.encoder)(**{**vars(model.encoder), "vocab_size": odd})
    abstract = retriever.abstract_params(config, model.head)
    mesh = sharding.make_mesh(MeshConfig(data=1, fsdp=4, tensor=2))
    word = sharding.of_state(abstract, mesh)["encoder"]["embeddings"]["word"]
    assert word["embedding"].get_raw_value().spec == P(None, "fsdp")


def test_open_axis_takes_the_rest():
    mesh = sharding.make_mesh(MeshConfig(data=-1, fsdp=2, tensor=2))
    assert dict(mesh.shape) == {"data": 2, "fsdp": 2, "tensor": 2}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"data": 3}, r"must multiply to the 8 devices"),
        ({"data": -1, "fsdp": 3}, r"must multiply to the 8 devices"),
        ({"data": -1, "fsdp": -1}, r"one of them may be -1"),
        ({"data": 0}, r"must be positive"),
        (
            {"data": 4, "fsdp": 2, "slices": 3},
            r"slices must divide mesh.data, 4, got 3",
        ),
        ({"data": 8, "slices": 2}, r"the slices, 1, or the hosts, 1, that the"),
    ],
)
def test_wrong_meshes_are_refused(axes, message):
    with pytest.raises(ValueError, match=message):
        sharding.make_mesh(MeshConfig(**axes))


@dataclasses.dataclass(frozen=True)
class _Device:
    """What of a device says where it lies."""

    id: int
    slice_index: int
    process_index: int
    platform: str = "cpu"
    device_kind: str = "cpu"


def test_only_the_data_axis_leaves_a_slice():
    # Two slices of two hosts each, listed in turns.
    devices = [_Device(i, i % 2, i % 4) for i in range(8)]
    axes = {"data": 4, "fsdp": 2, "tensor": 1}
    grid = sharding._across_slices(axes, 2, devices)
    assert grid.shape == (4, 2, 1)
    slices = np.vectorize(lambda device: device.slice_index)(grid)
    np.testing.assert_array_equal(slices[:2], 0)
    np.testing.assert_array_equal(slices[2:], 1)
    assert {device.id for device in grid.flat} == set(range(8))


def test_a_batch_that_the_mesh_cannot_cut_is_refused():
    mesh = sharding.make_mesh(MeshConfig(data=4, fsdp=2))
    sharding.check_batch(32, 2, mesh)
    with pytest.raises(ValueError, match=r"divisible by .* = 16, got 24"):
        sharding.check_batch(24, 2, mesh)
    sharding.check_batch(32, 2, mesh, chunk=16)
    with pytest.raises(ValueError, match=r"gradcache_chunk must be .* = 8, got 4"):
        sharding.check_batch(32, 2, mesh, chunk=4)
