import random

import pytest

from optical_jax.data import transliteration

_CONSONANTS = "bcdfgklmnprstvz"
_VOWELS = "aeiou"
# Two alphabets: a respelling in the same script, and another script with vowels dropped.
_SAME = str.maketrans({"c": "k", "l": "r", "v": "b"})
_OTHER = {c: chr(0x0915 + i) for i, c in enumerate(_CONSONANTS)} | {
    "a": "", "e": "\u0947", "i": "\u093f", "o": "\u094b", "u": "\u0941",
}  # fmt: skip


def _name(rng):
    parts = [rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(3)]
    return "".join(parts) + rng.choice(["", "n", "ia", "sh"])


def _respell(name):
    return name.translate(_SAME).replace("sh", "s").replace("ia", "iya")


def _other_script(name):
    return "".join(_OTHER[c] for c in name.replace("sh", "s"))


def _names(size, *, seed=0):
    rng = random.Random(seed)
    names = sorted({_name(rng) for _ in range(2 * size)})
    rng.shuffle(names)
    return names[:size]


def _pairs(spell):
    """Ninety names, and thirty links to words that have nothing to do with the name."""
    rng = random.Random(1)
    pairs = {(name, spell(name)) for name in _names(90)}
    return pairs | {(name, spell(_name(rng))[::-1]) for name in _names(120)[90:]}


@pytest.fixture(scope="module")
def respeller():
    return transliteration.learn(_pairs(_respell))


@pytest.fixture(scope="module")
def transcriber():
    return transliteration.learn(_pairs(_other_script))


@pytest.mark.parametrize(
    ("model", "spell"), [("respeller", _respell), ("transcriber", _other_script)]
)
def test_regular_spellings_are_learnt_among_translations(model, spell, request):
    model = request.getfixturevalue(model)
    new = sorted(set(_names(60, seed=2)) - set(_names(120)))
    right = sum(model.spell(name, k=1)[0].text == spell(name) for name in new)
    assert right >= 0.75 * len(new)  # of ninety names


def test_probabilities_fall_and_sum_to_no_more_than_one(respeller):
    found = respeller.spell("salutania", k=5)
    shares = [spelling.probability for spelling in found]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1 + 1e-9
    assert len({spelling.text for spelling in found}) == len(found)


def test_parts_are_spelt_within_their_word(transcriber):
    for name in sorted(set(_names(60, seed=2)) - set(_names(120)))[:20]:
        parts = (name[:2], name[2:4], name[4:])
        found = transcriber.spell_parts(parts, k=6)
        assert all(len(texts) == len(parts) for texts, _ in found)
        # Here no letters of two parts are spelt together.
        whole = {"".join(texts): share for texts, share in found}
        assert transcriber.spell(name, k=1)[0].text in whole
        best = tuple(_other_script(part) for part in parts)
        assert best in {texts for texts, _ in found}
        assert sum(whole.values()) <= 1 + 1e-9


def test_one_part_is_the_word(respeller):
    found = respeller.spell_parts(["salutania"], k=5)
    assert [(texts[0], share) for texts, share in found] == [
        (spelling.text, spelling.probability)
        for spelling in respeller.spell("salutania", k=5)
    ]


def test_a_letter_never_seen_has_no_spelling(respeller):
    assert respeller.spell("qatar", k=3) == []


def test_copies_and_translations_teach_nothing():
    names = _names(200)
    assert transliteration.learn({(name, name) for name in names}) is None
    assert transliteration.learn({(n, _respell(n)) for n in names[:20]}) is None


@pytest.mark.long
def test_spellings_are_found_among_words_of_the_same_sentences():
    rng = random.Random(3)
    new = sorted(set(_names(60, seed=2)) - set(_names(120)))
    right = {(name, _respell(name)) for name in new if name != _respell(name)}
    wrong = {(name, _name(rng)[::-1]) for name in new for _ in range(4)}
    model = transliteration.learn(_pairs(_respell), right | wrong)
    assert len(right.intersection(model.words)) >= 0.9 * len(right)
    assert len(wrong.intersection(model.words)) <= 0.1 * len(right)
    assert not right.intersection(transliteration.learn(_pairs(_respell)).words)
