import itertools

import numpy as np
import pytest

from optical_jax.data.sources import Pair
from optical_jax.models import subwords, vocabulary, word_ends, word_parts
from optical_jax.models.vocabulary import VocabularyConfig
from tests.models import tiny

# Stems and endings of a made language; names are spelt with the same letters.
STEMS = ("habo", "kine", "rowa", "beho", "nika", "hobe", "wori", "bano")
ENDINGS = ("nie", "kwa", "rhe", "bio", "hwa")
WORDS = [stem + ending for stem, ending in itertools.product(STEMS, ENDINGS)]
UNSEEN = [WORDS[k] for k in (3, 11, 24, 37)]
SEEN = [word for word in WORDS if word not in UNSEEN]
# They begin as the stem "kine" does.
NAMES = frozenset({"kinebor", "kineor", "kinewen"})


def _train(texts=SEEN, **options):
    settings = {
        "size": 100,
        "min_frequency": 2,
        "replace": False,
        "copied": {},
        "whole_words": True,
        "parts": 200,
        "spared": NAMES,
    }
    return subwords.train(tiny.wordpiece(), texts, **{**settings, **options})


def _pieces(tokenizer, word):
    tokens = tokenizer.encode(word, add_special_tokens=False).tokens
    return list(map(word_ends.bare, tokens))


def test_words_that_the_texts_lack_split_into_parts():
    student, plain = _train(), _train(parts=0)
    for word in UNSEEN:
        if not word.startswith("kine"):
            assert len(_pieces(student, word)) <= 3
            assert len(_pieces(student, word)) < len(_pieces(plain, word))
    for word in SEEN:
        assert _pieces(student, word) == [word]


def test_names_go_on_splitting_as_the_teacher_splits_them():
    teacher = tiny.wordpiece()
    careless = _train(spared=frozenset())
    assert any(_pieces(careless, n) != _pieces(teacher, n) for n in NAMES)
    for name in NAMES:
        assert _pieces(_train(), name) == _pieces(teacher, name)


def test_splits_are_how_a_word_splits_without_its_piece():
    student, teacher = _train(), tiny.wordpiece()
    found = word_parts.splits(student, teacher)
    assert len(found) > len(SEEN) / 2
    known = teacher.get_vocab()
    for word, parts in found.items():
        spelled = "".join(part.removeprefix("##") for part in parts)
        assert spelled == word
        assert len(parts) > 1
        assert any(word_ends.bare(part) not in known for part in parts)
    # As it splits where it stands in a sentence once, and has no piece.
    without = _train([" ".join(SEEN)])
    for word, parts in found.items():
        assert _pieces(without, word_ends.bare(word)) == list(
            map(word_ends.bare, parts)
        )


def test_no_word_is_without_pieces_for_ending_in_a_part_or_being_one():
    student = _train()
    new = student.get_vocab().keys() - tiny.wordpiece().get_vocab().keys()
    parts = {word_ends.bare(piece) for piece in new}
    begin = sorted(
        part for part in parts if not part.startswith("##") and len(part) > 1
    )
    end = sorted(part.removeprefix("##") for part in parts if part.startswith("##"))
    assert begin
    assert end
    for word in (*begin, *("w" + part for part in end), "rowa" * 3):
        assert "[UNK]" not in _pieces(student, word), word


def test_a_common_name_weighs_more_than_a_rare_one():
    # As many words begin with "kine" as stand for one name, not for a common one.
    words = dict.fromkeys(("kine" + e for e in ("nie", "kwa", "rhe", "bio")), 1)
    shell = _train([], parts=0)

    def chosen(count):
        return word_parts.choose(["kine"], words, {"kineor": count}, shell=shell)

    assert chosen(1) == ["kine", "kine" + word_ends.END]
    assert chosen(2) == []


def test_words_seen_often_say_less_of_unseen_ones():
    shell = _train([], parts=0)
    words = ["kine" + e for e in ("nie", "kwa", "rhe")]
    assert word_parts.choose(["kine"], dict.fromkeys(words, 1), {}, shell=shell)
    assert not word_parts.choose(["kine"], dict.fromkeys(words, 2), {}, shell=shell)


def test_pieces_that_go_on_anywhere_are_no_words():
    plain = subwords.train(
        tiny.wordpiece(),
        [" ".join(SEEN)] * 2,
        size=100,
        min_frequency=2,
        replace=False,
        copied={},
    )
    assert word_parts.splits(plain, tiny.wordpiece()) == {}
    assert word_parts.splits(tiny.unigram(), tiny.unigram()) == {}


def test_a_dictionarys_words_have_pieces_however_rare():
    texts = [" ".join(SEEN), " ".join(SEEN), "habonu", "habari habanu"]
    for parts in (0, 200):
        student = _train(texts, parts=parts)
        assert _pieces(student, "habonu") == ["habonu"]
        assert _pieces(student, "habanu") != ["habanu"]


def test_parts_start_as_the_translations_of_the_words_that_have_them():
    teacher = tiny.wordpiece()
    rows = np.random.default_rng(0).normal(size=(teacher.get_vocab_size(), 8))
    rows = rows.astype(np.float32)
    english = dict(zip(STEMS, ("book", "word", "who", "the") * 2, strict=True))
    pairs = [Pair(english[word[:4]], word) for word in SEEN]
    config = VocabularyConfig(size=100, whole_words=True, word_parts=200)
    made = vocabulary.transplant(tiny.wordpiece(), rows, pairs, config, seed=0)
    ids, known = made.tokenizer.get_vocab(), teacher.get_vocab()
    splits = word_parts.splits(made.tokenizer, teacher)
    stems = {parts[0] for parts in splits.values()} & set(STEMS)
    assert stems
    for stem in stems:
        np.testing.assert_allclose(
            made.embeddings[ids[stem]], rows[known[english[stem]]], atol=1e-5
        )


def test_parts_are_of_whole_words():
    with pytest.raises(ValueError, match="word_parts must be 0, or more with"):
        VocabularyConfig(word_parts=100)
    with pytest.raises(ValueError, match="got -1"):
        VocabularyConfig(whole_words=True, word_parts=-1)
