import numpy as np
import pytest

from optical_jax.data import dictionaries
from optical_jax.data.code_switch import CodeSwitchConfig, CodeSwitcher
from optical_jax.data.dictionaries import Dictionary, DictionarySource

ENTRIES = [
    ("the", "", 1.0),
    ("house", "nyumba", 0.75),
    ("house", "jumba", 0.25),
    ("red", "nyekundu", 1.0),
    ("new york", "NYC", 1.0),
    ("new", "mpya", 1.0),
    ("who", "ambaye", 1.0),
]
SWAHILI = Dictionary(
    language="sw",
    entries=dictionaries.collect(ENTRIES),
    questions=dictionaries.collect([("who", "nani", 1.0)]),
    names=dictionaries.collect([("kenya", "Kenia", 1.0)]),
)
GERMAN = Dictionary(
    language="de",
    entries=dictionaries.collect([("house", "Haus", 1.0), ("cat", "Katze", 1.0)]),
)
TEXT = "  The red-house,\tthe new york cat (“who”?) 3.5 — U.S. new\u00a0york  "


def _switch(text: str, *given: Dictionary, seed: int = 0, **options) -> str:
    options = {"probability": 1.0, "choice": "best"} | options
    switcher = CodeSwitcher(dictionaries=given or (SWAHILI,), **options)
    return switcher.switch(text, np.random.default_rng(seed))


def test_probability_zero_changes_nothing() -> None:
    assert _switch(TEXT, probability=0.0) == TEXT


def test_probability_one_replaces_every_known_word_and_nothing_else() -> None:
    assert _switch(TEXT) == "nyekundu-nyumba, NYC cat (“ambaye”?) 3.5 — U.S. NYC  "
    assert _switch("xyz, Cat!  42") == "xyz, Cat!  42"


@pytest.mark.parametrize(
    ("text", "switched"),
    [
        ("New York, new. York", "NYC, mpya. York"),
        ("House red", "Nyumba nyekundu"),
        ("a Red house in a Kenya", "a Red nyumba in a Kenia"),
        ("RED NEW HOUSE", "Nyekundu Mpya Nyumba"),
        ("Who has the house?", "Nani has nyumba?"),
        ("red, and who", "nyekundu, and ambaye"),
        ("red.new a@new red:new", "red.new a@new red:new"),
        ("the the", ""),
    ],
)
def test_entries_are_taken_where_they_belong(text: str, switched: str) -> None:
    assert _switch(text) == switched


def test_texts_without_spaces_between_words() -> None:
    tokyo = Dictionary(
        entries=dictionaries.collect([("東京", "Tokyo", 1.0), ("東京都", "TYO", 1.0)])
    )
    assert _switch("私は東京に。", tokyo) == "私はTokyoに。"
    assert _switch("東京都 東京東京", tokyo) == "TYO TokyoTokyo"


def test_words_are_replaced_at_the_given_rate() -> None:
    text = " ".join(["red", "cat"] * 2000)
    words = _switch(text, probability=0.3).split()
    assert words[1::2] == ["cat"] * 2000
    rate = np.mean([word == "nyekundu" for word in words[::2]])
    assert rate == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 2000))


@pytest.mark.parametrize(
    ("choice", "rate"), [("random", 0.5), ("weighted", 0.75), ("best", 1.0)]
)
def test_choices_of_a_translation(choice: str, rate: float) -> None:
    words = _switch("house " * 2000, choice=choice).split()
    assert set(words) <= {"nyumba", "jumba"}
    found = np.mean([word == "nyumba" for word in words])
    assert found == pytest.approx(rate, abs=4 * np.sqrt(0.25 / 2000))


def test_every_word_draws_its_language() -> None:
    words = _switch("house cat " * 1000, SWAHILI, GERMAN).split()
    assert set(words[::2]) == {"nyumba", "Haus"}
    assert np.mean([w == "Haus" for w in words[::2]]) == pytest.approx(0.5, abs=0.06)
    assert set(words[1::2]) == {"Katze"}


def test_equal_generators_give_equal_texts() -> None:
    options = {"probability": 0.5, "choice": "random"}
    texts = [_switch("red house " * 20, seed=s, **options) for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_bad_settings() -> None:
    with pytest.raises(
        ValueError, match=r"probability must be between 0 and 1, got 1.5"
    ):
        CodeSwitchConfig(probability=1.5)
    with pytest.raises(
        ValueError, match=r"monolingual must be between 0 and 1, got -0.1"
    ):
        CodeSwitchConfig(monolingual=-0.1)
    with pytest.raises(ValueError, match="needs dictionaries and fields"):
        CodeSwitchConfig(probability=0.5)
    source = DictionarySource(format="muse", path="d")
    assert CodeSwitchConfig(probability=0.5, dictionaries=(source,)).fields == (
        "source",
    )
