import pytest

from optical_jax.data import name_pairs, phrases
from optical_jax.data.sources import Pair


def test_names_stand_beside_the_words_that_may_be_their_spellings():
    found = name_pairs.beside(
        [
            Pair("The capital of Lithuania is old", "Umurwa wa Lituwaniya urashaje"),
            # The first word may be a name too; what is copied has its spelling.
            Pair("Serbia and Kagame met", "Seribiya na Kagame barahuye"),
        ]
    )
    assert {name for name, _ in found} == {"lithuania", "serbia"}
    assert ("lithuania", "lituwaniya") in found
    assert ("serbia", "seribiya") in found
    # Small letters in a script that has capitals, and words of the other sentence.
    assert ("lithuania", "urashaje") not in found
    assert ("lithuania", "seribiya") not in found


def test_words_in_small_letters_elsewhere_are_no_names():
    pairs = [Pair("Bread is here", "Mkate uko hapa")]
    assert ("bread", "mkate") in name_pairs.beside(pairs)
    common = [Pair("we eat bread", "tunakula mkate")] * name_pairs.COMMON
    assert not name_pairs.beside(pairs + common)
    spread = [Pair("we eat it", "tunakula mkate")] * name_pairs.COMMON
    assert ("bread", "mkate") not in name_pairs.beside(pairs + spread)


def test_a_script_without_capitals_has_candidates_of_any_word():
    found = name_pairs.beside([Pair("he saw Paris", "उसने पेरिस देखा")])
    assert ("paris", "पेरिस") in found
    assert {name for name, _ in found} == {"paris"}


@pytest.mark.parametrize(
    ("name", "word"),
    [("Bolivia", "Bo"), ("Mali", "Malimalimali"), ("Oia", "Oya")],
    ids=["short", "long", "short name"],
)
def test_lengths_differ_little(name, word):
    assert not name_pairs.beside([Pair(f"he saw {name}", f"yeye {word}")])


def test_the_likeliest_words_alone_are_kept():
    words = [a + "eribiya" for a in "BCDFGHJKLM"]
    pairs = [Pair("he saw Serbia", " ".join(words)), Pair("of Serbia", "ya Beribiya")]
    found = {word for _, word in name_pairs.beside(pairs)}
    assert len(found) == name_pairs.CANDIDATES
    assert "beribiya" in found


def test_a_word_that_is_mostly_elsewhere_is_no_spelling():
    pairs = [Pair("he saw Serbia", "yeye Seribiya Dunia")]
    pairs += [Pair("a thing", "Dunia")] * 20
    assert name_pairs.beside(pairs) == {("serbia", "seribiya")}


def test_linked_names_are_those_mostly_linked_to_one_word():
    verbs = {"saw": "liona", "left": "liacha", "found": "lipata"}
    names = {"Bolivia": "Boliviya", "Serbia": "Seribiya", "Cairo": "Kayiro"}
    pairs = [
        Pair(f"they {verb} {name} there", f"wao {verbs[verb]} {names[name]} pale")
        for verb in verbs
        for name in names
    ] * 3
    expected = {(name.lower(), word.lower()) for name, word in names.items()}
    assert name_pairs.linked(phrases.link(pairs)) == expected
