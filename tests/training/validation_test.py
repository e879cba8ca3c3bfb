import pytest

from optical_jax.training import validation
from tests.models import tiny

_TEXTS = ["habari", "dunia habari", "who word", "the book", "who who the"]


def test_a_text_finds_itself():
    model = tiny.make(tiny.TOKENWISE)
    found = validation.HeldOut(_TEXTS, _TEXTS).measure(model, model.params)
    assert found == {"validation/R@1": 1.0, "validation/RR": 1.0}


def test_equal_scores_count_against_the_query():
    model = tiny.make(tiny.TOKENWISE)
    documents = ["the book", "the book", "who word"]
    found = validation.HeldOut(["the book", "the book", "who word"], documents)
    measures = found.measure(model, model.params)
    assert measures["validation/R@1"] == pytest.approx(1 / 3)
    assert measures["validation/RR"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
