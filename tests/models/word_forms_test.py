import numpy as np
import pytest

from optical_jax.data.sources import Pair
from optical_jax.models import vocabulary, word_ends, word_forms
from optical_jax.models.vocabulary import VocabularyConfig
from tests.models import tiny

STEMS = tuple(
    a + b for a in ("kem", "sol", "tarn", "vil") for b in ("ora", "ing", "ud")
)
BEFORE = ("ba", "zu", "i")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(word_forms, "MIN_STEMS", 4)
    monkeypatch.setattr(word_forms, "PRIOR", 2)


def _words():
    """Return each stem with two of three prefixes."""
    return [
        p + s for i, s in enumerate(STEMS) for j, p in enumerate(BEFORE) if (i + j) % 3
    ]


def _missing():
    return {
        p + s
        for i, s in enumerate(STEMS)
        for j, p in enumerate(BEFORE)
        if not (i + j) % 3
    }


def test_stems_take_the_prefixes_of_others():
    found = word_forms.find(_words(), blocked=(), size=99)
    assert _missing() <= found.keys()
    assert not found.keys() & set(_words())
    form = found["bakemora"]
    assert form.siblings == ("ikemora", "zukemora")
    # Of the eight stems with "zu" four have "ba", as many of those with "i"; each counts as
    # if two more had not.
    assert form.probability == pytest.approx(1 - (1 - 4 / 10) ** 2)


def test_stems_take_the_endings_of_others():
    words = [word[::-1] for word in _words()]
    forwards = word_forms.find(_words(), blocked=(), size=99)
    found = word_forms.find(words, blocked=(), size=99)
    assert {form[::-1]: told.probability for form, told in found.items()} == {
        form: pytest.approx(told.probability) for form, told in forwards.items()
    }


def test_the_likeliest_forms_come_first_and_the_blocked_are_none():
    every = word_forms.find(_words(), blocked=(), size=99)
    assert [t.probability for t in every.values()] == sorted(
        (t.probability for t in every.values()), reverse=True
    )
    assert list(word_forms.find(_words(), blocked=(), size=3)) == list(every)[:3]
    left = word_forms.find(_words(), blocked=("bakemora",), size=99)
    assert left.keys() == every.keys() - {"bakemora"}


def test_the_order_of_words_makes_no_difference():
    words = _words()
    found = word_forms.find(words, blocked=(), size=99)
    assert word_forms.find(set(words), blocked=(), size=99) == found
    assert list(word_forms.find(words[::-1], blocked=(), size=99)) == list(found)


@pytest.mark.parametrize("words", [[], ["a"], ["kemora", "solora"]])
def test_few_words_tell_no_forms(words):
    assert word_forms.find(words, blocked=(), size=99) == {}


def _transplant(**fields):
    teacher = tiny.wordpiece()
    rows = np.random.default_rng(0).normal(size=(teacher.get_vocab_size(), 8))
    nouns = ("book", "city", "old", "the")
    pairs = [
        Pair(nouns[i % 4], word)
        for i, word in enumerate(_words())
        for _ in range(1 + i % 3)
    ]
    return vocabulary.transplant(
        teacher,
        rows.astype(np.float32),
        [*pairs, Pair("the bakemora", "zukemora")],
        VocabularyConfig(size=500, whole_words=True, min_frequency=1, **fields),
        seed=0,
    )


def test_a_transplant_has_forms_if_asked_for_them():
    made = _transplant(word_forms=99)
    assert made.report["word_forms"] >= len(_missing()) - 1
    form = "basolora"
    assert made.tokenizer.encode(form, add_special_tokens=False).tokens == [
        form + word_ends.END
    ]
    assert np.isfinite(made.embeddings).all()
    # A word of the source side is none of the target's.
    ids = made.tokenizer.get_vocab()
    assert "bakemora" + word_ends.END not in ids
    without = _transplant()
    assert "word_forms" not in without.report
    assert form + word_ends.END not in without.tokenizer.get_vocab()


@pytest.mark.parametrize(
    "fields",
    [{"word_forms": -1, "whole_words": True}, {"word_forms": 5, "whole_words": False}],
)
def test_forms_need_whole_words(fields):
    with pytest.raises(ValueError, match=r"vocabulary\.word_forms must be 0, or more"):
        VocabularyConfig(**fields)
