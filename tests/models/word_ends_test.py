import json

import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from optical_jax.data.sources import Pair
from optical_jax.models import subwords, vocabulary, word_ends
from optical_jax.models.vocabulary import VocabularyConfig
from tests.models import tiny

# "boo" is a word of the language and the start of the teacher's "book".
TEXTS = ["boo habarini kine", "kine boo worde", "kine habarini worde"] * 3
CONFIG = VocabularyConfig(size=50, whole_words=True)


def _train(texts=TEXTS, **options):
    return subwords.train(
        tiny.wordpiece(),
        texts,
        **{"size": 50, "min_frequency": 2, "replace": False, "copied": {}, **options},
    )


STUDENT = _train(whole_words=True)
TEACHER = tiny.wordpiece()
NEW = {"boo", "habarini", "kine", "worde"}


def _split(tokenizer, text):
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return [word_ends.bare(piece) for piece in encoding.tokens]


def test_new_words_are_one_piece_and_split_no_longer_ones():
    assert _split(STUDENT, "Boo kine, worde!") == ["boo", "kine", ",", "worde", "!"]
    for word in ("book", "boon", "kinene", "worden", "nboo", "habarinin"):
        assert _split(STUDENT, word) == _split(TEACHER, word)
    # Pieces that go on anywhere split other words.
    assert _split(_train(), "kinene") != _split(TEACHER, "kinene")


@given(st.text(alphabet="abehiknorw k-!", max_size=30))
def test_all_other_words_split_as_the_teacher_splits_them(text):
    words = TEACHER.pre_tokenizer.pre_tokenize_str(
        TEACHER.normalizer.normalize_str(text)
    )
    expected = [
        piece
        for word, _ in words
        for piece in ([word] if word in NEW else _split(TEACHER, word))
    ]
    assert _split(STUDENT, text) == expected


def test_offsets_are_those_of_the_text():
    encoding = STUDENT.encode("boo, who?", add_special_tokens=False)
    assert encoding.offsets == [(0, 3), (3, 4), (5, 8), (8, 9)]
    assert encoding.word_ids == [0, 1, 2, 3]


def test_another_script_has_pieces_of_its_own():
    texts = ["\u0939\u093f\u0928\u094d\u0926\u0940 \u0939\u093f\u092e"] * 4
    tokenizer = _train(texts, whole_words=True, copied={"book": 9})
    unseen = "\u0939\u093f\u0928\u093f\u0939"
    assert "[UNK]" not in _split(tokenizer, unseen)
    # Letters that names have make no such pieces.
    assert _split(tokenizer, "book") == ["book"]


HINDI = ["\u0939\u093f\u0928\u094d\u0926\u0940 \u0939\u093f\u092e"] * 4
SCRIPT = [
    _train(HINDI, whole_words=True, copied={"book": 9}, parts=parts)
    for parts in (0, 50)
]


@given(st.text(alphabet="".join(set(HINDI[0]) - {" "}), min_size=1, max_size=12))
def test_every_word_of_known_letters_has_pieces(word):
    for tokenizer in SCRIPT:
        assert "[UNK]" not in _split(tokenizer, word)


def test_rows_start_as_the_teachers_with_the_mark_and_without():
    rows = np.random.default_rng(0).normal(size=(TEACHER.get_vocab_size(), 8))
    rows = rows.astype(np.float32)
    pairs = [Pair("the book", "kine boo"), Pair("the word", "kine worde")] * 9
    made = vocabulary.transplant(tiny.wordpiece(), rows, pairs, CONFIG, seed=0)
    ids, known = made.tokenizer.get_vocab(), TEACHER.get_vocab()
    np.testing.assert_array_equal(made.embeddings[: len(rows)], rows)
    for piece in ("habari", "##bari", "##k", "who"):
        np.testing.assert_array_equal(
            made.embeddings[ids[piece + word_ends.END]], rows[known[piece]]
        )
    np.testing.assert_allclose(
        made.embeddings[ids["boo" + word_ends.END]], rows[known["book"]], atol=1e-6
    )
    assert made.report["kept"] == len(known)
    assert made.report["word_ends"] == len(word_ends.last_pieces(_state(TEACHER)))
    assert made.report["added"] == len(ids) - len(known) - made.report["word_ends"]
    assert made.report["names_resplit"] == 0


def _state(tokenizer):
    return json.loads(tokenizer.to_str())


def test_transformers_reads_the_marks(tmp_path):
    STUDENT.save(str(tmp_path / "tokenizer.json"))
    read = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json")
    )
    text = "Boo! the habarinin who?"
    assert read(text)["input_ids"] == STUDENT.encode(text).ids


@pytest.mark.parametrize("mode", ["keep", "trim", "replace"])
def test_only_a_vocabulary_that_grows_has_marks(mode):
    with pytest.raises(ValueError, match="whole_words is of vocabulary.mode 'extend'"):
        VocabularyConfig(mode=mode, whole_words=True)


def test_unigram_has_no_marks():
    with pytest.raises(ValueError, match="needs a teacher with a WordPiece tokenizer"):
        subwords.train(
            tiny.unigram(),
            TEXTS,
            size=50,
            min_frequency=2,
            replace=False,
            copied={},
            whole_words=True,
        )
