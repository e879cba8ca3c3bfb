import json

import numpy as np
import pytest

from optical_jax.data.sources import Pair
from optical_jax.models import (
    piece_table,
    told_pieces,
    word_ends,
    word_forms,
    word_stems,
)
from tests.models import tiny

# Letters of names have none of these.
STEMS = ("ससकम", "कनलर", "मकरस", "लकमन", "रनसल", "नसमक", "करलन", "सरनम", "मनलस", "लसकर")
ENDINGS = ("गद", "दप", "पगद")
MARK = word_ends.END


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(word_forms, "MIN_STEMS", 4)
    monkeypatch.setattr(word_forms, "PRIOR", 2)
    monkeypatch.setattr(word_stems, "MIN_STEMS", 4)


def _words():
    """Return each stem alone and with endings, but for one ending of every stem."""
    return list(STEMS) + [
        s + e for i, s in enumerate(STEMS) for j, e in enumerate(ENDINGS) if (i + j) % 3
    ]


def _student(words):
    marked = piece_table.load(word_ends.marked(json.loads(tiny.wordpiece().to_str())))
    letters = sorted(set("".join(STEMS + ENDINGS)))
    single = [p + c + e for c in letters for p in ("", "##") for e in ("", MARK)]
    return piece_table.add(marked, [*(w + MARK for w in words), *single])


def _told(*, source="the book", **sizes):
    words = _words()
    pairs = [
        Pair(source, word) for i, word in enumerate(words) for _ in range(1 + i % 3)
    ]
    sizes = {"spelled": 0, "parts": 0, "forms": 0, "stems": 0} | sizes
    return told_pieces.tell(
        pairs,
        teacher=tiny.wordpiece(),
        student=_student(words),
        copied={},
        whole_words=True,
        **sizes,
    )


def test_forms_and_stems_start_as_what_has_rows():
    told = _told(forms=99, stems=99)
    ids = told.student.get_vocab(with_added_tokens=True)
    rows = np.random.default_rng(0).normal(size=(len(ids), 8)).astype(np.float32)
    before = rows.copy()
    told.start(rows, teacher=tiny.wordpiece(), embeddings=np.zeros((99, 8), np.float32))
    counts = {word: 1 + i % 3 for i, word in enumerate(_words())}
    form = STEMS[0] + ENDINGS[0]
    siblings = [w for w in _words() if w.startswith(STEMS[0])]
    assert told.forms[form + MARK] == {w + MARK: counts[w] for w in siblings}
    np.testing.assert_allclose(
        rows[ids[form + MARK]],
        np.average(
            before[[ids[w + MARK] for w in siblings]],
            axis=0,
            weights=[counts[w] for w in siblings],
        ),
        rtol=1e-5,
    )
    assert told.stems[STEMS[0]] == STEMS[0] + MARK
    np.testing.assert_array_equal(rows[ids[STEMS[0]]], before[ids[STEMS[0] + MARK]])
    others = set(ids) - told.forms.keys() - told.stems.keys()
    same = [ids[piece] for piece in others]
    np.testing.assert_array_equal(rows[same], before[same])


def test_words_of_the_source_side_are_no_forms():
    form = STEMS[0] + ENDINGS[0]
    assert form + MARK in _told(forms=99).forms
    # As a name or a quotation.
    assert form + MARK not in _told(source=f"the book {form}", forms=99).forms


def test_nothing_is_told_unasked():
    told = _told()
    assert (told.spelled, told.parts, told.forms, told.stems) == ({}, {}, {}, {})
    assert told.student.get_vocab() == _student(_words()).get_vocab()
