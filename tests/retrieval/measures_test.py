import math

import pytest

from optical_jax.retrieval import measures


def test_by_hand():
    run = {"q1": {"a": 3.0, "b": 2.0, "c": 1.0}, "q2": {"a": 1.0}}
    qrels = {"q1": {"b": 1, "c": 1, "x": 0}, "q2": {"z": 1}}
    values = measures.per_query(run, qrels)
    assert list(values) == list(measures.DEFAULT)
    gain = 1 / math.log2(3) + 1 / math.log2(4)
    ideal = 1 + 1 / math.log2(3)
    expected = {
        "RR@10": 1 / 2,
        "R@1": 0.0,
        "R@10": 1.0,
        "R@50": 1.0,
        "R@100": 1.0,
        "nDCG@10": gain / ideal,
        "AP": (1 / 2 + 2 / 3) / 2,
    }
    assert {n: row["q1"] for n, row in values.items()} == pytest.approx(expected)
    assert all(row["q2"] == 0 for row in values.values())
    means = measures.mean(values)
    assert means == pytest.approx({n: v / 2 for n, v in expected.items()})


@pytest.mark.parametrize("relevant", ["a", "b", "c"])
def test_every_measure_sees_equal_scores_in_the_order_of_the_run(relevant):
    """RR@10 and R@1 come from providers that break ties in opposite ways."""
    ties = {"q": {"a": 0.1, "b": 0.1, "c": 0.1 - 1e-14}}
    values = measures.per_query(ties, {"q": {relevant: 1}})
    rank = "abc".index(relevant) + 1
    assert values["RR@10"]["q"] == pytest.approx(1 / rank)
    assert values["AP"]["q"] == pytest.approx(1 / rank)
    assert values["R@1"]["q"] == (rank == 1)
    assert values["nDCG@10"]["q"] == pytest.approx(1 / math.log2(rank + 1))


def test_a_query_of_which_nothing_was_retrieved_counts_zero():
    qrels = {"q1": {"a": 1}, "q2": {"a": 1}, "q3": {"a": 1}}
    values = measures.per_query({"q1": {"a": 1.0}, "q2": {}}, qrels)
    assert values["R@10"] == {"q1": 1.0, "q2": 0.0, "q3": 0.0}


@pytest.mark.parametrize(
    ("run", "qrels", "message"),
    [
        ({"q": {"a": 1.0}}, {}, "qrels must judge at least one query, got none"),
        (
            {"q": {"a": 1.0}, "r": {"a": 1.0}},
            {"q": {"a": 1}},
            r"every query must have qrels, got none for 1 of 2 queries \(r\)",
        ),
        (
            {"q": {"a": 1.0}},
            {"q": {"a": 0}},
            r"relevance 1 or more, got none for 1 queries \(q\)",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(run, qrels, message):
    with pytest.raises(ValueError, match=message):
        measures.per_query(run, qrels)


def test_an_unknown_measure_is_named():
    with pytest.raises(ValueError, match=r"spelled as ir_measures .*; got 'MRR_10'"):
        measures.per_query({"q": {"a": 1.0}}, {"q": {"a": 1}}, names=["MRR_10"])
