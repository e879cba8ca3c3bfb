import datetime
import importlib.util

import numpy as np
import pytest

from optical_jax.config import MeshConfig
from optical_jax.planning import topology
from optical_jax.training import sharding

HAS_LIBTPU = importlib.util.find_spec("libtpu") is not None


def test_names_have_chips_and_memory():
    place = topology.parse("v5p:4x4x4")
    assert (place.name, place.chips) == ("v5p:4x4x4", 64)
    assert place.hbm_per_device == 95 * 2**30
    # One chip is two devices.
    assert topology.parse("tpu7x:2x2x1").hbm_per_device == 96 * 2**30


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v5p:3x3x3", r"must be one of v5p:2x2x1, .*v5p:4x4x4.*, got 'v5p:3x3x3'"),
        ("v9:2x2", r"one of v4:2x2x1, .*tpu7x:8x8x8, got 'v9:2x2'; did you mean"),
        ("", r"one of v4:2x2x1, .*, got ''"),
    ],
)
def test_wrong_names_list_the_right_ones(name, message):
    with pytest.raises(ValueError, match=message):
        topology.parse(name)


def test_every_figure_is_there_and_dated():
    assert datetime.date.fromisoformat(topology.dated()).year >= 2026
    for name, chip in topology.known().items():
        assert 1e14 < chip.flops_per_second < 1e16, name
        # A chip computes a few hundred FLOPs in the time that it reads a byte.
        assert 100 < chip.flops_per_second / chip.hbm_bytes_per_second < 1000, name
        assert chip.ici_link_bytes_per_second < chip.hbm_bytes_per_second / 10, name
        assert len(set(chip.topologies)) == len(chip.topologies) > 0, name


def test_without_libtpu_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "jax\[tpu\]==\d'):
        topology.devices(topology.parse("v5e:2x2"))


@pytest.mark.skipif(not HAS_LIBTPU, reason="needs libtpu, the TPU compiler")
@pytest.mark.parametrize("kind", sorted(topology.known()))
def test_libtpu_knows_the_topologies(kind, monkeypatch):
    chip = topology.known()[kind]
    for shape in chip.topologies[:3]:
        place = topology.parse(f"{kind}:{shape}")
        assert len(topology.devices(place)) == place.chips * chip.devices_per_chip


@pytest.mark.skipif(not HAS_LIBTPU, reason="needs libtpu, the TPU compiler")
def test_an_axis_may_be_a_part_of_an_axis_of_the_torus():
    devices = topology.devices(topology.parse("v5p:4x4x4"))
    mesh = sharding.make_mesh(MeshConfig(data=-1, fsdp=8), devices)
    assert dict(mesh.shape) == {"data": 8, "fsdp": 8, "tensor": 1}
    assert {device.id for device in mesh.devices.flat} == {d.id for d in devices}
    # A copy lies in one plane.
    places = np.array([device.coords for device in mesh.devices[0, :, 0]])
    assert np.ptp(places, axis=0).prod() == 0
