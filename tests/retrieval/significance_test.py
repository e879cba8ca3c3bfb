import itertools

import numpy as np
import pytest
import scipy.stats

from optical_jax.retrieval import significance


def enumerated(differences):
    """The definition: the share of all sign assignments as far from 0."""
    observed = abs(sum(differences))
    signs = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(np.dot(s, differences)) for s in signs]
    return np.mean([total >= observed - 1e-9 for total in sums])


def test_few_queries_are_counted_exactly(rng):
    differences = rng.choice([-0.5, 0.0, 0.1, 1.0], (8, 3))
    p_values = significance.permutation_test(differences)
    expected = [enumerated(column) for column in differences.T]
    np.testing.assert_allclose(p_values, expected, rtol=1e-12)


def test_sampled_p_values_agree_with_scipy(rng):
    differences = rng.normal(0.1, 0.4, (60, 2))
    p_values = significance.permutation_test(differences, samples=50_000)
    expected = scipy.stats.permutation_test(
        (differences[:, 0],), np.sum, permutation_type="samples", n_resamples=50_000
    ).pvalue
    assert p_values[0] == pytest.approx(expected, abs=0.01)


def test_extremes():
    p_values = significance.permutation_test(
        np.stack([np.ones(40), np.zeros(40)], axis=1), samples=9999
    )
    np.testing.assert_allclose(p_values, [1 / 10_000, 1.0])


def test_the_seed_decides(rng):
    differences = rng.normal(0.1, 0.4, (50, 1))
    runs = [
        significance.permutation_test(differences, samples=500, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_holm_by_hand():
    adjusted = significance.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(significance.holm(np.array([0.9, 0.8])), [1.0, 1.0])


def test_compare_names_test_samples_and_correction():
    ids = [f"q{i}" for i in range(30)]
    low = {"R@10": dict.fromkeys(ids, 0.0)}
    high = {"R@10": dict.fromkeys(reversed(ids), 1.0)}
    report = significance.compare({"a": low, "b": high, "c": high}, samples=1000)
    assert report.test == "paired two-sided permutation test (sign flips, sampled)"
    assert (report.samples, report.queries) == (1000, 30)
    assert report.correction == "Holm, family of 3"
    found = {(r.a, r.b): r for r in report.results}
    assert found["a", "b"].difference == -1.0
    assert found["a", "b"].significant
    assert found["a", "b"].p_adjusted == pytest.approx(3 / 1001)
    assert not found["b", "c"].significant
    assert found["b", "c"].p_value == 1.0


def test_compare_says_when_it_is_exact():
    values = {"AP": {"q1": 0.5, "q2": 1.0}}
    report = significance.compare({"a": values, "b": values})
    assert report.test.endswith("exact)")
    assert report.samples == 4


def test_one_method_has_nothing_to_be_compared_to():
    assert significance.compare({"a": {"AP": {"q": 1.0}}}).results == []


def test_methods_must_share_their_queries():
    a, b = {"AP": {"q1": 1.0}}, {"AP": {"q2": 1.0}}
    with pytest.raises(ValueError, match=r"same queries, got other ones for 'b' \(q1"):
        significance.compare({"a": a, "b": b})


def test_no_queries_are_refused():
    with pytest.raises(ValueError, match="at least one query and one sample, got 0"):
        significance.permutation_test(np.zeros((0, 1)))
