import numpy as np
import pytest
import scipy.stats

from optical_jax.studies import bootstrap


def test_intervals_are_near_those_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(3.0, 2.0, (400, 2))
    low, high = bootstrap.mean_intervals(values)
    error = 1.96 * scipy.stats.sem(values)
    np.testing.assert_allclose(low, values.mean(axis=0) - error, atol=0.03)
    np.testing.assert_allclose(high, values.mean(axis=0) + error, atol=0.03)


def test_equal_values_have_no_interval():
    np.testing.assert_allclose(
        bootstrap.mean_intervals(np.full((5, 1), 0.25)), [[0.25], [0.25]]
    )


def test_a_line_is_found_and_its_slope_is_bounded():
    rng = np.random.default_rng(0)
    x = np.array([1e3, 1e4, 1e5])
    exact = 0.2 + 0.15 * np.log10(x)
    found = bootstrap.line(x, np.tile(exact, (50, 1)))
    assert (found.intercept, found.slope) == pytest.approx((0.2, 0.15))
    assert (found.slope_low, found.slope_high) == pytest.approx((0.15, 0.15))
    noisy = exact + rng.normal(0, 0.3, (200, 3))
    found = bootstrap.line(x, noisy)
    expected = scipy.stats.linregress(np.log10(x), noisy.mean(axis=0))
    assert found.slope == pytest.approx(expected.slope)
    assert found.intercept == pytest.approx(expected.intercept)
    assert found.slope_low < found.slope < found.slope_high
    assert found.slope_high - found.slope_low < 0.1


def test_one_point_is_no_line():
    with pytest.raises(ValueError, match=r"two different x above 0"):
        bootstrap.line(np.array([5.0, 5.0]), np.ones((3, 2)))
