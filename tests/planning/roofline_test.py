import pytest

from optical_jax.planning import roofline, topology
from optical_jax.planning.collectives import Collective
from optical_jax.planning.compilation import Program

PLACE = topology.parse("v5e:2x2")
SUM = Collective(
    kind="all-reduce", axes=("data",), group=4, count=1, payload=2e9, sent=3e9
)


@pytest.mark.parametrize(
    ("fields", "limit", "seconds", "mfu"),
    [
        ({"flops": 197e12, "bytes_accessed": 1e9}, "compute", 1.0, 0.5),
        ({"flops": 197e12, "bytes_accessed": 2 * 819e9}, "memory", 2.0, 0.25),
        ({"flops": 1e12, "collectives": (SUM,) * 100}, "network", 3.0, 1 / 6),
    ],
)
def test_the_slowest_part_is_the_time(fields, limit, seconds, mfu):
    one = Program(name="train", examples=8, model_flops=98.5e12, **fields)
    found = roofline.bound(one, PLACE)
    assert found.limit == limit
    assert found.seconds == pytest.approx(seconds)
    assert found.mfu == pytest.approx(mfu)


def test_a_device_has_its_share_of_the_chip():
    one = Program(name="train", examples=8, flops=2307e12 / 2)
    assert roofline.bound(one, topology.parse("tpu7x:2x2x1")).compute == 1.0


def test_all_that_lies_in_memory_must_fit():
    one = Program(name="train", examples=8, arguments=10.0 * 2**30, held=5.0 * 2**30)
    assert roofline.fits(one, PLACE)
    more = Program(name="train", examples=8, arguments=10.0 * 2**30, held=7.0 * 2**30)
    assert not roofline.fits(more, PLACE)
    assert not roofline.fits(Program(name="train", examples=8, refused="no"), PLACE)


def test_a_run_costs_its_chips_hours():
    found = roofline.cost(7_200_000, rate=1000.0, topology=PLACE)
    assert (found.hours, found.chip_hours) == (2.0, 8.0)
    assert found.dollars == 8 * PLACE.chip.dollars_per_chip_hour
    unpriced = topology.parse("tpu7x:2x2x1")
    assert roofline.cost(1000, rate=1000.0, topology=unpriced).dollars is None
