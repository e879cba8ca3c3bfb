import dataclasses

import matplotlib.image
import pytest

from optical_jax.studies import chart
from tests.studies import made_up


@pytest.fixture(scope="module")
def found():
    return made_up.collected()


def test_curves_run_along_the_numbers_with_bounds_and_a_fit(found):
    (curve,) = chart.curves(found, found.study.grids[1], "R@10")
    assert curve.x == [0.02, 0.1, 0.5]
    assert (curve.query_set, curve.axis, curve.label) == ("kin-test", "epsilon", "")
    expected = [
        found.entries["kin-test", f"epsilon {x:g}"].mean("R@10") for x in curve.x
    ]
    assert curve.y == pytest.approx(expected)
    for low, y, high in zip(curve.low, curve.y, curve.high, strict=True):
        assert low < y < high
    assert curve.fit.slope < 0
    assert chart.curves(found, found.study.grids[0], "R@10") == []


def test_only_finished_points_are_on_a_curve():
    found = made_up.collected(missing=("kin/epsilon 0.1/0", "kin/epsilon 0.5/0"))
    assert chart.curves(found, found.study.grids[1], "R@10") == []


def test_every_grid_and_axis_is_drawn(found, tmp_path):
    written = chart.draw(found, tmp_path)
    assert [path.name for path in written] == [
        "made-up.1.png",
        "made-up.2.png",
        "made-up.2.epsilon.png",
    ]
    for path in written:
        height, width, _ = matplotlib.image.imread(path).shape
        assert min(height, width) > 300


def test_one_grid_needs_no_number(tmp_path):
    made = made_up.study()
    single = dataclasses.replace(made, grids=made.grids[:1])
    (path,) = chart.draw(made_up.collected(single), tmp_path)
    assert path.name == "made-up.png"
