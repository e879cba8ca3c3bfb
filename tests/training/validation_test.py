import numpy as np
import pytest

from optical_jax.retrieval import encode
from optical_jax.training import validation
from optical_jax.training.validation import ValidationConfig
from tests.models import tiny

_TEXTS = ["habari", "dunia habari", "who word", "the book", "who who the"]
_NAMES = ["R@1", "RR", "short_R@1", "short_RR"]


@pytest.fixture(scope="module")
def model():
    return tiny.make(tiny.TOKENWISE)


def test_a_text_finds_itself(model):
    found = validation.HeldOut(_TEXTS, _TEXTS).measure(model, model.params)
    assert found == dict.fromkeys((f"validation/{name}" for name in _NAMES), 1.0)


def test_equal_scores_count_against_the_query(model):
    documents = ["the book", "the book", "who word"]
    found = validation.HeldOut(["the book", "the book", "who word"], documents)
    measures = found.measure(model, model.params)
    for name in ("validation/", "validation/short_"):
        assert measures[f"{name}R@1"] == pytest.approx(1 / 3)
        assert measures[f"{name}RR"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)


def test_distractors_hold_only_pieces_back(model):
    vectors = encode.encode_documents(model, _TEXTS)
    held = validation.HeldOut(
        _TEXTS, _TEXTS, vectors=vectors, distractors=[vectors[0], vectors[3]]
    )
    measures = held.measure(model, model.params)
    assert (measures["validation/R@1"], measures["validation/RR"]) == (1, 1)
    # Two of the five texts tie with their copies.
    assert measures["validation/short_R@1"] == pytest.approx(3 / 5)
    assert measures["validation/short_RR"] == pytest.approx((1 / 2 + 1 / 2 + 3) / 5)


def test_a_quarter_of_the_queries_is_measured_whole(model):
    # Only the wrong document at the place of a whole query can show.
    queries = [*_TEXTS[:4], _TEXTS[0]]
    config = ValidationConfig(queries=4, words=1)
    (drawn,) = validation.draw(5, 1)
    measures = validation.HeldOut(queries, _TEXTS, config=config).measure(
        model, model.params
    )
    assert measures["validation/R@1"] == float(queries[drawn] == _TEXTS[drawn])


def test_an_asker_encodes_the_queries_for_a_student_of_documents(model):
    other = tiny.make(tiny.TOKENWISE, seed=1)
    held = validation.HeldOut(_TEXTS, _TEXTS, asker=model)
    assert held.measure(model, model.params)["validation/short_RR"] == 1
    # The documents are the student's: another one is not understood.
    assert held.measure(other, other.params)["validation/short_RR"] < 1


def test_drawing_is_stable_and_spread():
    drawn = validation.draw(10_000, 100)
    assert drawn == validation.draw(10_000, 100) == sorted(set(drawn))
    assert len(drawn) == 100
    assert 3000 < np.mean(drawn) < 7000
    assert validation.draw(3, 100) == [0, 1, 2]


def test_a_piece_is_made_of_consecutive_words():
    text = " ".join(f"w{i}" for i in range(20))
    found = validation.piece(text, words=6)
    assert len(found.split()) == 6
    assert found in text
    assert found == validation.piece(text, words=6)
    starts = {
        validation.piece(f"{i} {text}", words=6).split()[0] for i in range(1, 100)
    }
    assert len(starts) > 10
    assert validation.piece("one two", words=6) == "one two"


def test_half_of_a_text_without_spaces():
    text = "ฉันไปตลาดเมื่อวานนี้เพื่อซื้อผัก และ กลับบ้านตอนเย็นพร้อมกับเพื่อนของฉัน"
    found = validation.piece(text, words=6)
    assert found in text
    assert len(found) == -(-len(text) // 2)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match=r"validation\.queries must be at least 1"):
        ValidationConfig(queries=0)
    assert ValidationConfig(select_by="R@1").metric == "validation/R@1"
