import itertools
import math

import numpy as np
import pytest

from optical_jax.retrieval import fusion

A = {"q1": {"d1": 9.0, "d2": 5.0, "d3": 1.0}, "q2": {"d9": 4.0}}
B = {"q1": {"d3": 0.8, "d4": 0.6}, "q2": {}}


def test_reciprocal_ranks_by_hand():
    fused = fusion.reciprocal_rank([A, B])
    assert fused["q1"] == pytest.approx(
        {"d3": 1 / 63 + 1 / 61, "d1": 1 / 61, "d2": 1 / 62, "d4": 1 / 62}
    )
    # d2 and d4 are equal: by doc_id.
    assert list(fused["q1"]) == ["d3", "d1", "d2", "d4"]
    assert fused["q2"] == {"d9": 1 / 61}
    assert list(fusion.reciprocal_rank([A, B], k=0, depth=2)["q1"]) == ["d3", "d1"]


def test_the_order_of_runs_changes_nothing(rng):
    runs = [
        {
            "q": {
                d: 6.0 - i
                for i, d in enumerate(rng.permutation(list("abcdef")).tolist())
            }
        }
        for _ in range(3)
    ]
    for method in (fusion.reciprocal_rank, fusion.weighted):
        rows = [method(order)["q"] for order in itertools.permutations(runs)]
        assert all(list(row.items()) == list(rows[0].items()) for row in rows)


def test_weighted_min_max_by_hand():
    fused = fusion.weighted([A, B], [1.0, 3.0])
    # d4 is the last of its run: like one that was not retrieved, 0; then by doc_id.
    assert fused["q1"] == pytest.approx(
        {"d3": 0.75, "d1": 0.25, "d2": 0.125, "d4": 0.0}
    )
    assert list(fused["q1"]) == ["d3", "d1", "d2", "d4"]
    # A document retrieved alone is above those that were not.
    assert fused["q2"] == {"d9": 0.25}


def test_standard_scores_against_numpy(rng):
    scores = np.sort(rng.normal(size=(2, 8)))[:, ::-1]
    runs = [
        {"q": dict(zip(names, row.tolist(), strict=True))}
        for names, row in zip(("abcdefgh", "ghijklmn"), scores, strict=True)
    ]
    fused = fusion.weighted(runs, normalization="z")["q"]
    z = (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)
    floor = np.minimum(z.min(1), -1)
    assert fused["a"] == pytest.approx((z[0, 0] + floor[1]) / 2)
    assert fused["g"] == pytest.approx((z[0, 6] + z[1, 0]) / 2)
    assert fused["n"] == pytest.approx((floor[0] + z[1, 7]) / 2)
    runs = [{"q": {"a": 1.0}}, {"q": {"b": 2.0, "a": 1.0}}]
    flat = fusion.weighted(runs, normalization="z")
    assert flat["q"] == {"b": 0.0, "a": -0.5}


def test_all_weight_on_one_run_keeps_its_order():
    for normalization in ("min-max", "z"):
        fused = fusion.weighted([A, B], [1.0, 0.0], normalization=normalization)
        assert list(fused["q1"])[:3] == ["d1", "d2", "d3"]


def test_tuning_finds_the_better_run_and_is_even_in_doubt():
    ids = [f"q{i}" for i in range(6)]
    good = {q: {"right": 2.0, "wrong": 1.9, "other": 0.0} for q in ids}
    bad = {q: {"wrong": 2.0, "right": 1.5, "other": 0.0} for q in ids}
    qrels = {q: {"right": 1} for q in ids}
    weights = fusion.tune([good, bad], qrels)
    assert sum(weights) == pytest.approx(1)
    first = fusion.weighted([good, bad], weights)["q0"]
    assert next(iter(first)) == "right"
    # 0.05 of advantage against 0.25: the most even weights that win are 17 to 3.
    assert weights == pytest.approx((0.85, 0.15))
    assert fusion.tune([good, good], qrels) == (0.5, 0.5)
    assert fusion.tune([bad, good, bad], qrels)[1] > 0.7


def test_compositions_are_all_of_them():
    for total, parts in ((4, 2), (5, 3), (3, 4)):
        found = list(fusion._compositions(total, parts))
        assert {sum(c) for c in found} == {total}
        assert len(set(found)) == len(found) == math.comb(total + parts - 1, parts - 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fusion.reciprocal_rank([A]), "two runs or more, got 1"),
        (lambda: fusion.reciprocal_rank([A, B], k=-1), "at least 0, got -1"),
        (lambda: fusion.FusionConfig(k=-1), "fusion.k must be at least 0, got -1"),
        (lambda: fusion.FusionConfig(weights=(1.0, -1.0)), "fusion.weights must be"),
        (lambda: fusion.weighted([A, B], [1.0]), r"each of 2 runs, .* got \[1.0\]"),
        (lambda: fusion.weighted([A, B], [0.0, 0.0]), "not all of them 0"),
        (lambda: fusion.weighted([A, B], [2.0, -1.0]), "a weight of 0 or more"),
        (lambda: fusion.weighted([A, B], [math.nan, 1.0]), "a weight of 0 or more"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
