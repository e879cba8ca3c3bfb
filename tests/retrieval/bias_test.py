import numpy as np
import pytest

from optical_jax.retrieval import bias


def _run(**rankings):
    return {
        q: {d: float(len(docs) - i) for i, d in enumerate(docs.split())}
        for q, docs in rankings.items()
    }


QRELS = {"1": {"x": 1}, "2": {"y": 1, "z": 2, "n": 0}}
RUNS = {
    "en": _run(**{"1": "x a b", "2": "y z a"}),
    "sw": _run(**{"1": "a x b", "2": "z a b"}),
    "mr": _run(**{"1": "a b c"}),
}


def test_max_rank_distance_by_hand():
    # Depth 3, so 4 is "not found". Query 1: x at 1, 2, 4. Query 2: y at 1, 4, 4 and z at
    # 2, 1, 4.
    found = bias.max_rank_distance(RUNS, QRELS, depth=3)
    assert found == {"1": 3.0, "2": 3.0}
    found = bias.max_rank_distance({k: RUNS[k] for k in ("en", "sw")}, QRELS, depth=3)
    assert found == {"1": 1.0, "2": (3 + 1) / 2}


def test_documents_beyond_the_depth_count_as_not_found():
    found = bias.max_rank_distance({k: RUNS[k] for k in ("en", "sw")}, QRELS, depth=1)
    assert found == {"1": 1.0, "2": 1.0}


def test_consistency_by_hand():
    # P@1 = 0, P@2 = 1, P@3 = 2/3.
    agreement = np.array([0, 1, 2 / 3])
    exponents = np.exp([2, 1, 0])
    softmax = bias.rank_consistency(list("abc"), list("bad"), depth=3)
    assert softmax == pytest.approx(exponents / exponents.sum() @ agreement)
    linear = bias.rank_consistency(list("abc"), list("bad"), depth=3, weights="linear")
    assert linear == pytest.approx((3 * 0 + 2 * 1 + 1 * 2 / 3) / 6)


@pytest.mark.parametrize("weights", ["softmax", "linear"])
@pytest.mark.parametrize("depth", [1, 10, 1000, 5000])
def test_identical_rankings_agree_and_disjoint_ones_do_not(weights, depth):
    ranking = [str(i) for i in range(1000)]
    other = [f"other {i}" for i in range(1000)]
    same = bias.rank_consistency(ranking, ranking, depth=depth, weights=weights)
    assert same == pytest.approx(1)
    assert bias.rank_consistency(ranking, other, depth=depth, weights=weights) == 0


def test_consistency_matches_the_definition_on_random_rankings():
    rng = np.random.default_rng(0)
    for _ in range(20):
        n = int(rng.integers(2, 30))
        a, b = (rng.permutation(n).astype(str).tolist() for _ in range(2))
        for kind in ("softmax", "linear"):
            order = np.arange(n, 0, -1.0)
            weights = np.exp(order) if kind == "softmax" else order
            expected = sum(
                w * len(set(a[: j + 1]) & set(b[: j + 1])) / (j + 1)
                for j, w in enumerate(weights / weights.sum())
            )
            found = bias.rank_consistency(a, b, depth=n, weights=kind)
            assert found == pytest.approx(expected)
            assert found == pytest.approx(
                bias.rank_consistency(b, a, depth=n, weights=kind)
            )


def test_short_rankings():
    assert bias.rank_consistency(["a"], ["a"], depth=50) == pytest.approx(1)
    assert bias.rank_consistency([], ["a"], depth=50) == 0
    assert bias.rank_consistency([], [], depth=50) == pytest.approx(1)
    # P@1 = 1, then 1 of 2.
    found = bias.rank_consistency(["a"], ["a", "b"], depth=2, weights="linear")
    assert found == pytest.approx(2 / 3 + 1 / 3 / 2)


def test_the_whole_measure():
    found = bias.measure(RUNS, QRELS, depth=3)
    assert (found.depth, found.queries) == (3, 2)
    assert found.max_rank_distance == 3
    assert found.ranks["en"] == pytest.approx((1 + 1.5) / 2)
    assert found.ranks["mr"] == 4
    assert [(c.a, c.b) for c in found.consistency] == [
        ("en", "sw"),
        ("en", "mr"),
        ("sw", "mr"),
    ]
    one = bias.rank_consistency(["x", "a", "b"], ["a", "x", "b"], depth=3)
    two = bias.rank_consistency(["y", "z", "a"], ["z", "a", "b"], depth=3)
    assert found.consistency[0].softmax == pytest.approx((one + two) / 2)


def test_what_is_not_parallel_is_refused():
    with pytest.raises(ValueError, match=r"two query sets or more, got \['en'\]"):
        bias.measure({"en": RUNS["en"]}, QRELS)
    other = {"en": RUNS["en"], "x": _run(**{"7": "a"})}
    with pytest.raises(ValueError, match=r"same query ids, got 1 in 'x'"):
        bias.measure(other, QRELS)
    with pytest.raises(ValueError, match=r"depth must be at least 1"):
        bias.measure(RUNS, QRELS, depth=0)
    with pytest.raises(ValueError, match=r"must have a relevant document"):
        bias.measure(RUNS, {**QRELS, "3": {"a": 0}})
