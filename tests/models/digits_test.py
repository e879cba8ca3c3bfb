import json

import pytest
import tokenizers

from optical_jax.models import digits, subwords
from tests.models import tiny


def _normalised(state, text):
    made = tokenizers.Tokenizer.from_str(
        json.dumps({**json.loads(tiny.wordpiece().to_str()), "normalizer": state})
    )
    return made.normalizer.normalize_str(text)


@pytest.mark.parametrize("before", [None, {"type": "Lowercase"}])
def test_a_script_of_which_the_texts_have_one_digit_is_folded(before):
    state = digits.normalizer(before, ["वर्ष ५", "1999"])
    assert _normalised(state, "२०१५ और ०९") == "2015 और 09"
    # Arabic's digits are in no text.
    assert _normalised(state, "٣") == "٣"


def test_texts_of_ascii_digits_leave_the_normaliser_as_it_is():
    before = {"type": "Lowercase"}
    assert digits.normalizer(before, ["वर्ष 5", "x² and ½"]) is before
    assert digits.normalizer(None, ["5"]) is None


@pytest.mark.parametrize("whole_words", [False, True])
def test_years_split_as_the_teacher_splits_them(whole_words):
    teacher = tiny.wordpiece()
    student = subwords.train(
        teacher,
        ["वर्ष १९८४ में", "१९८४ में क्या"] * 4,
        size=100,
        min_frequency=2,
        replace=False,
        copied={},
        whole_words=whole_words,
    )
    ids = lambda text: student.encode(text, add_special_tokens=False).ids
    assert ids("१९८४") == ids("1984")
