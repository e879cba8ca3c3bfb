import matplotlib.image
import numpy as np
import pytest

from optical_jax import figures


def pixels(path):
    return matplotlib.image.imread(path)


def test_no_runs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one training run"):
        figures.draw_curves({}, tmp_path / "curves.png")


def test_a_run_without_validation_is_drawn(tmp_path):
    figures.draw_curves({"teacher": {"loss": ([1, 2], [1.0, 0.5])}}, tmp_path / "c.png")
    assert pixels(tmp_path / "c.png").std() > 0


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        figures.group_rows([])


def test_long_curves_are_smoothed_without_moving_them():
    line = np.arange(40.0)
    smooth = figures._smooth(list(line))
    np.testing.assert_allclose(smooth[2:-2], line[2:-2])
    assert figures._smooth([0.0, 1.0] * 32)[8:-8].std() < 0.1
