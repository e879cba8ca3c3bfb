import numpy as np
import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from optical_jax.data.spelling_units import Unit
from optical_jax.data.transliteration import Transliterator
from optical_jax.models import spelled_parts, told_pieces, word_ends

# Each letter has one of its own in the other script.
_LETTERS = {c: chr(0x0915 + i) for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")}
_WORDS = ("jackson", "jack", "thomas", "thom", "johnson", "john", "nashville", "nash")
_PARTS = ("##son", "##ville", "##as")
MARK = word_ends.END


def _spell(text):
    return "".join(map(_LETTERS.__getitem__, text))


@pytest.fixture(scope="module")
def model():
    return Transliterator([[Unit(c, _LETTERS[c]) for c in word] for word in _WORDS])


@pytest.fixture(scope="module")
def teacher():
    single = [p + c for c in _LETTERS for p in ("", "##")]
    pieces = {p: i for i, p in enumerate(["[UNK]", *single, *_WORDS, *_PARTS])}
    made = tokenizers.Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[UNK]"])
    return made


def _find(model, teacher, *, words=(), of_names=frozenset("abc"), size=99):
    return spelled_parts.find(
        model, teacher=teacher, words=words, of_names=of_names, size=size
    )


def test_parts_are_told_from_words_that_are_split_as_if_they_were_none(model, teacher):
    found = _find(model, teacher)
    # "jack ##son", "john ##son" ...
    assert found[_spell("jack")] == "jack"
    for piece in ("##son", "##ville"):
        new = "##" + _spell(piece[2:])
        assert found[new] == found[new + MARK] == piece
    # Only of what is read first there is none with a mark: words have them.
    assert not any(n.endswith(MARK) and not n.startswith("##") for n in found)
    assert "##" + _spell("hill") not in found


def test_words_of_the_bitext_are_split_as_they_are(model, teacher):
    new = "##" + _spell("as")
    assert new in _find(model, teacher)
    # A part of more words comes before one of fewer.
    more = _find(model, teacher, words=["jackas", "johnas", "nashas"], size=1)
    assert list(more) == [new, new + MARK]


def test_no_part_is_in_the_letters_of_names(model, teacher):
    every = set("".join(_LETTERS.values()))
    assert _find(model, teacher, of_names=every) == {}


def test_they_start_as_the_teachers_pieces_even_where_the_student_had_them(
    model, teacher
):
    parts = _find(model, teacher)
    known = "##" + _spell("son")
    student = told_pieces.piece_table.add(teacher, [known, *parts])
    told = told_pieces.ToldPieces(
        student=student, spelled={}, parts=parts, forms={}, stems={}
    )
    theirs = np.arange(2 * teacher.get_vocab_size(), dtype=np.float32).reshape(-1, 2)
    rows = np.zeros((student.get_vocab_size(), 2), np.float32)
    told.start(rows, teacher=teacher, embeddings=theirs)
    for new, piece in parts.items():
        np.testing.assert_array_equal(
            rows[student.token_to_id(new)], theirs[teacher.token_to_id(piece)]
        )
    assert np.count_nonzero(rows.any(axis=1)) == len(parts)
