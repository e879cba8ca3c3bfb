import numpy as np
import pytest

from optical_jax.data import marks
from optical_jax.data.sources import Pair


@pytest.mark.parametrize(
    ("text", "above", "bare"),
    [
        ("Ẹ̀kọ́ gómìnà", "Ẹkọ gomina", "Eko gomina"),
        ("Größe", "Große", "Große"),
        ("ñandú", "nandu", "nandu"),
        ("plain", "plain", "plain"),
        # Vowel signs, viramas and tones of other scripts are no ornament.
        ("हिन्दी ไทย ते", "हिन्दी ไทย ते", "हिन्दी ไทย ते"),
        ("ий", "ии", "ии"),
        ("\u0301a", "\u0301a", "\u0301a"),
    ],
)
def test_marks_go_where_people_leave_them_out(text, above, bare):
    assert marks.strip(text, above_only=True) == above
    assert marks.strip(text, above_only=False) == bare


def test_variants_are_those_that_differ():
    found = [pair.target for pair in marks.variants(Pair("x", "ẹ̀kọ́"))]
    assert found == ["ẹ̀kọ́", "ẹkọ", "eko"]
    assert [p.target for p in marks.variants(Pair("x", "kọ"))] == ["kọ", "ko"]
    assert list(marks.variants(Pair("x", "ko"))) == [Pair("x", "ko")]


def test_the_share_is_met_and_a_window_read_again_is_the_same():
    indices = np.arange(4000)
    unmark = marks.Unmarking(0.4, seed=1)
    found = unmark.drawn(indices)
    texts = [marks.lessened("ẹ̀", how) for how in found.tolist()]
    shares = [texts.count(t) / 4000 for t in ("ẹ̀", "ẹ", "e")]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.03)
    assert unmark.drawn(indices).tolist() == found.tolist()
    assert unmark.drawn(indices[::-1]).tolist() != found.tolist()
    assert marks.Unmarking(0.4, seed=2).drawn(indices).tolist() != found.tolist()
    assert not marks.Unmarking(0.0, seed=1).drawn(indices).any()
    assert (unmark.count, marks.Unmarking(0.0, seed=1).count) == (3, 1)
