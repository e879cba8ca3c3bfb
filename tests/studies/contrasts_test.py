import numpy as np
import pytest

from optical_jax.retrieval import significance
from optical_jax.studies import contrasts
from optical_jax.studies.contrasts import Entry


def _entry(query_set, method, values, *, prefix="q"):
    return Entry(
        collection="c",
        query_set=query_set,
        queries=query_set,
        method=method,
        measures={0: {"R@10": float(np.mean(values))}},
        per_query={"R@10": {f"{prefix}{i}": float(v) for i, v in enumerate(values)}},
    )


def _entries(**by_method):
    return {
        (query_set, method): _entry(query_set, method, values)
        for method, sets in by_method.items()
        for query_set, values in sets.items()
    }


def test_mean_over_query_sets_weighs_them_alike():
    entries = _entries(
        ref={"a": [0, 0], "b": [1, 1, 1, 1]}, new={"a": [1, 0], "b": [1, 1, 1, 0]}
    )
    found = contrasts.of_means(
        entries, ["a", "b"], ["ref", "new"], "ref", ["R@10"], samples=1000
    )
    (one,) = found.results
    assert (one.a, one.b, one.measure) == ("new", "ref", "R@10")
    assert one.difference == pytest.approx((1 / 2 - 1 / 4) / 2)
    # Of 2^2 signs of the differences 1/4 and -1/8 all sums are as far from 0 or farther.
    assert one.p_value == 1
    assert found.queries == 6


def test_the_test_of_one_query_set_is_the_plain_one():
    rng = np.random.default_rng(0)
    ref, new = rng.random(12), rng.random(12) + 0.2
    entries = _entries(ref={"a": ref, "b": ref}, new={"a": new, "b": new})
    single = contrasts.by_query_set(entries, "ref", ["R@10"], samples=10_000)["a"]
    expected = significance.permutation_test((ref - new)[:, None], samples=10_000)
    assert single.results[0].p_value == pytest.approx(expected[0])
    both = contrasts.of_means(
        entries, ["a", "b"], ["ref", "new"], "ref", ["R@10"], samples=10_000
    )
    assert both.results[0].difference == pytest.approx((new - ref).mean())
    # Twice the queries with the same differences: better known.
    assert both.results[0].p_value < expected[0]


def test_methods_without_pairs_are_left_out():
    entries = _entries(ref={"a": [1, 0], "b": [1, 0]}, new={"a": [1, 1]})
    entries["a", "topline"] = _entry("a", "topline", [1, 1], prefix="other")
    found = contrasts.by_query_set(entries, "ref", ["R@10"], samples=100)
    assert {r.a for r in found["a"].results} | {r.b for r in found["a"].results} == {
        "ref",
        "new",
    }
    assert found["b"].results == []
    means = contrasts.of_means(
        entries, ["a", "b"], ["ref", "new", "topline"], "ref", ["R@10"], samples=100
    )
    assert means is None
    assert contrasts.by_query_set(entries, "none", ["R@10"], samples=100) == {}


def test_spread_over_seeds():
    entry = _entry("a", "m", [1, 0])
    assert entry.spread("R@10") is None
    both = Entry(**{**vars(entry), "measures": {0: {"R@10": 0.5}, 1: {"R@10": 0.7}}})
    assert both.mean("R@10") == pytest.approx(0.6)
    assert both.spread("R@10") == pytest.approx(np.std([0.5, 0.7], ddof=1))
