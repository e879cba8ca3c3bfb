import json

import numpy as np
import pytest

from optical_jax.data.sources import Pair
from optical_jax.models import piece_table, vocabulary, word_ends, word_stems
from optical_jax.models.vocabulary import VocabularyConfig
from tests.models import tiny

STEMS = ("ससक", "कनल", "मकर", "लकम", "रनस", "नसम", "करल", "सरन", "मनल", "लसक")
ENDINGS = ("गद", "दप", "पगद")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(word_stems, "MIN_STEMS", 4)


def _words():
    """Return each stem alone and with endings, but for one ending of every stem."""
    return list(STEMS) + [
        s + e for i, s in enumerate(STEMS) for j, e in enumerate(ENDINGS) if (i + j) % 3
    ]


def _student(words):
    return piece_table.add(
        _marked(), [*(w + word_ends.END for w in words), *_letters()]
    )


def _marked():
    return piece_table.load(word_ends.marked(json.loads(tiny.wordpiece().to_str())))


def _letters():
    letters = sorted(set("".join(STEMS + ENDINGS)))
    return [p + c + e for c in letters for p in ("", "##") for e in ("", word_ends.END)]


def test_endings_follow_words_more_than_by_chance():
    words = {*_words(), *(f"{c}कख" + "ल" for c in "अआइईउऊ"), "सरनल"}
    # "ल" ends seven words, of which one is a word without it.
    assert word_stems.endings(words) == set(ENDINGS)


def test_a_word_that_the_bitext_lacks_splits_at_its_stem():
    words = _words()
    found = word_stems.find(
        dict.fromkeys(words, 2), student=_student(words), of_names=set("abc"), size=99
    )
    assert found.stems == {stem: stem + word_ends.END for stem in STEMS}
    student = piece_table.add(_student(words), [*found.stems, *found.endings])
    for i, stem in enumerate(STEMS):
        for j, ending in enumerate(ENDINGS):
            tokens = student.encode(stem + ending, add_special_tokens=False).tokens
            if (i + j) % 3:
                assert tokens == [stem + ending + word_ends.END]
            else:
                assert tokens == [stem, f"##{ending}{word_ends.END}"]


def test_a_word_of_a_stem_and_half_an_ending_yields_to_a_stem_of_the_bitext():
    counts = dict.fromkeys(_words(), 2)
    told = "ससकद", "कखघद"  # the second one begins with no word
    student = _student([*counts, *told])
    find = lambda counts: word_stems.find(
        counts, student=student, of_names=set(), size=99
    )
    assert "ससकद" not in find(counts).stems
    assert "कखघद" in find(counts).stems
    assert "ससकद" in find({**counts, "ससकद": 1}).stems


def test_stems_are_in_letters_that_names_do_not_have_and_the_commonest_come_first():
    counts = {**dict.fromkeys(_words(), 2), "मकर": 9, "लकम": 8}
    student = _student([*counts, "banana"])
    found = word_stems.find(counts, student=student, of_names=set("ban"), size=2)
    assert list(found.stems) == ["मकर", "लकम"]
    every = word_stems.find(counts, student=student, of_names=set("ban"), size=99)
    assert "banana" not in every.stems
    letters = set("".join(STEMS + ENDINGS) + "ban")
    none = word_stems.find(counts, student=student, of_names=letters, size=99)
    assert none == ({}, [])


def test_a_stem_starts_as_its_word():
    teacher = tiny.wordpiece()
    rows = np.random.default_rng(0).normal(size=(teacher.get_vocab_size(), 8))
    pairs = [Pair("the book", f"{word} लनस") for word in _words()] * 2
    config = VocabularyConfig(size=500, whole_words=True, stems=500)
    made = vocabulary.transplant(
        teacher, rows.astype(np.float32), pairs, config, seed=0
    )
    ids = made.tokenizer.get_vocab()
    assert made.report["stems"] >= len(STEMS)
    for stem in STEMS:
        np.testing.assert_array_equal(
            made.embeddings[ids[stem]], made.embeddings[ids[stem + word_ends.END]]
        )
    without = vocabulary.transplant(
        teacher,
        rows.astype(np.float32),
        pairs,
        VocabularyConfig(size=500, whole_words=True),
        seed=0,
    )
    assert "stems" not in without.report
    assert not set(STEMS) & without.tokenizer.get_vocab().keys()


@pytest.mark.parametrize(
    "fields", [{"stems": -1, "whole_words": True}, {"stems": 5, "whole_words": False}]
)
def test_stems_need_whole_words(fields):
    with pytest.raises(ValueError, match=r"vocabulary\.stems must be 0, or more with"):
        VocabularyConfig(**fields)
