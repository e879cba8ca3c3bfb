import pytest

from optical_jax.retrieval import mining
from optical_jax.retrieval.mining import Mined, MiningConfig

_TEXTS = {
    "good": "the mill stands on the river",
    "copy": "The mill stands on the river bank.",
    "also": "a second answer altogether",
    "half": "partly an answer",
    "close": "another mill in another town",
    "far": "nothing to do with it",
    "last": "words of no use",
}
_RUN = {
    "q": {
        "copy": 9.9,
        "good": 9.0,
        "close": 8.9,
        "also": 8.0,
        "half": 7.5,
        "far": 7.0,
        "last": 1.0,
    }
}
_QRELS = {"q": {"good": 2, "also": 2, "half": 1, "far": 0}, "unranked": {"good": 1}}


def _mine(scores=None, **settings):
    config = MiningConfig(**settings)
    return mining.mine(_RUN, _QRELS, _TEXTS.__getitem__, config, scores=scores)


def test_what_is_relevant_or_copies_it_is_no_negative():
    found, counts = _mine(relevance=2)
    assert found == [
        Mined("q", "good", ["close", "far", "last"]),
        Mined("q", "also", ["close", "far", "last"]),
    ]
    assert counts == {"kept": 6, "positive": 6, "near copy": 2}
    # Documents of less than the relevance asked for are no positives, and no negatives.
    assert [m.positive for m in _mine(relevance=1)[0]] == ["good", "also", "half"]


@pytest.mark.parametrize(
    ("settings", "negatives"),
    [
        ({"negatives": 1}, ["close"]),
        ({"skip": 3}, ["far", "last"]),
        # 0.95 of the positive's 9.0.
        ({"margin": 0.95}, ["far", "last"]),
        ({"near_copy": 1.1}, ["copy", "close", "far", "last"]),
        ({"near_copy": 0.1}, ["far", "last"]),
    ],
)
def test_settings_leave_candidates_out(settings, negatives):
    found, _ = _mine(**settings)
    assert found[0].negatives == negatives


def test_equal_texts_are_copies_whatever_their_share_of_words():
    texts = {"a": "One. Two!", "b": "one two", "c": "two one"}
    run = {"q": {"b": 2.0, "c": 1.0}}
    config = MiningConfig(near_copy=1.5)
    found, counts = mining.mine(run, {"q": {"a": 1}}, texts.__getitem__, config)
    assert found == [Mined("q", "a", ["c"])]
    assert counts["near copy"] == 1


def test_documents_without_a_score_are_left_out():
    scores = {"q": {"good": 4.0, "far": -1.0, "last": -2.0}}
    found, counts = _mine(scores=scores)
    assert found == [Mined("q", "good", ["far", "last"])]
    assert counts["without score"] == 1
    texts = {"q": "swali"}
    row = next(mining.examples(found, texts, _TEXTS.__getitem__, scores=scores))
    assert row == {
        "query": "swali",
        "positive": _TEXTS["good"],
        "negatives": [_TEXTS["far"], _TEXTS["last"]],
        "scores": [4.0, -1.0, -2.0],
        "query_id": "q",
        "doc_ids": ["good", "far", "last"],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("negatives", 0), ("skip", -1), ("margin", -0.1), ("near_copy", 0.0)],
)
def test_bad_settings_are_named(name, value):
    with pytest.raises(ValueError, match=rf"mining\.{name} must be .*, got {value}"):
        MiningConfig(**{name: value})
