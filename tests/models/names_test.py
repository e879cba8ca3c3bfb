from optical_jax.data.sources import Pair
from optical_jax.models import names
from tests.models import tiny

PAIRS = [
    Pair("Obama wrote the book", "Obama aliandika kitabu"),
    Pair("Obama's word", "Neno la Obama, neno"),
    Pair("wake up", "habari yake, wake"),
    Pair("his book", "kitabu wake"),
    Pair("his word, his", "neno wake"),
]


def test_words_mostly_copied_are_names() -> None:
    assert names.find(PAIRS) == {"obama": 2}


def test_half_the_sentences_are_enough_and_fewer_are_not() -> None:
    assert names.find(PAIRS[:1] + [Pair("he did", "Obama")]) == {"obama": 2}
    assert names.find(PAIRS[:1] + [Pair("he did", "Obama")] * 2) == {}


def test_leave_out() -> None:
    texts = ["Neno la 'Obama', neno", "Obama"]
    assert names.leave_out(texts, {"obama": 2}) == ["Neno la neno", ""]


def test_resplit_names_the_changed_ones() -> None:
    found = names.resplit(
        {"habari": 1, "ọjọ": 1},
        teacher=tiny.wordpiece(),
        student=tiny.wordpiece(accents=True),
    )
    assert list(found) == ["ọjọ"]
    assert "ọ" in "".join(found["ọjọ"])
