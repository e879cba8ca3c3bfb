import numpy as np
import pytest

from optical_jax.data import code_switch, dictionaries
from optical_jax.data.code_switch import CodeSwitchConfig, CodeSwitcher
from optical_jax.data.dictionaries import Dictionary, DictionarySource
from optical_jax.data.transliteration import Spelling, Transliterator

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


class _Speller(Transliterator):
    """Spells every word with k for c, and less often with q; none that has an x."""

    def __init__(self) -> None:
        super().__init__([])
        self.asked: list[str] = []

    def spell(self, word: str, *, k: int) -> list[Spelling]:
        self.asked.append(word)
        if "x" in word:
            return []
        found = [("k", 0.75), ("q", 0.25), ("s", 0.1)]
        return [
            Spelling(text=word.replace("c", to), probability=p) for to, p in found[:k]
        ]


def _respelt(text: str, *, share: float = 1.0, seed: int = 0) -> str:
    return _switch(text, transliterator=_Speller(), respelt=share, seed=seed)


def test_words_that_no_dictionary_holds_are_respelt() -> None:
    found = {_respelt("the house of Chopin", seed=seed) for seed in range(40)}
    assert found == {"nyumba of Khopin", "nyumba of Qhopin", "nyumba of Shopin"}
    assert _respelt("the house of Chopin", share=0.0) == "nyumba of Chopin"


@pytest.mark.parametrize("text", ["cat", "C-3PO", "a@chopin.pl", "1945c", "Excxc"])
def test_what_is_no_word_or_has_no_spelling_stays(text: str) -> None:
    assert _respelt(text) == text


def test_likelier_spellings_come_more_often_and_a_share_of_words() -> None:
    text = " ".join(["coco"] * 3000)
    switcher = CodeSwitcher(
        dictionaries=(SWAHILI,),
        probability=1.0,
        transliterator=(speller := _Speller()),
        respelt=0.5,
    )
    found = switcher.switch(text, np.random.default_rng(0)).split()
    assert speller.asked == ["coco"]
    shares = [found.count(word) / len(found) for word in ("coco", "koko", "qoqo")]
    expected = [0.5, 0.5 * 0.75 / 1.1, 0.5 * 0.25 / 1.1]
    assert shares == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 3000))


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
    with pytest.raises(ValueError, match="needs dictionaries and fields"):
        CodeSwitchConfig(probability=0.5, dictionaries=(source,))


class _Examples:
    """Example i has a query and a document that name it."""

    def read(self, indices: np.ndarray) -> list[dict[str, list]]:
        return [
            {
                "query": [f"red {i}"],
                "document": [f"house {i}", "red"],
                "scores": [0.5, 1.0],
            }
            for i in indices
        ]


def _switched(indices: list[int], seed: int = 0, **options) -> list[dict[str, list]]:
    options = {"probability": 0.5, "fields": ("query", "document")} | options
    source = DictionarySource(format="muse", path="d")
    config = CodeSwitchConfig(dictionaries=(source,), **options)
    switcher = CodeSwitcher(
        dictionaries=(SWAHILI,), probability=config.probability, choice="best"
    )
    examples = code_switch.SwitchedExamples(_Examples(), switcher, config, seed=seed)
    return examples.read(np.array(indices))


def test_switched_texts_stand_beside_the_examples_own() -> None:
    (row,) = _switched([7], probability=1.0)
    assert row == _Examples().read(np.array([7]))[0] | {
        "switched query": ["nyekundu 7"],
        "switched document": ["nyumba 7", "nyekundu"],
    }
    assert code_switch.column("query") == "switched query"
    (row,) = _switched([7], probability=1.0, fields=("query", "target"))
    assert set(row) == {"query", "document", "scores", "switched query"}


def test_hybrid_batches_keep_whole_examples_as_they_are() -> None:
    rows = _switched(list(range(2000)), probability=1.0, monolingual=0.3)
    kept = [row["switched query"] == row["query"] for row in rows]
    assert kept == [row["switched document"] == row["document"] for row in rows]
    assert np.mean(kept) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 2000))


def test_draws_depend_on_the_window_and_the_seed_alone() -> None:
    window = list(range(40))
    assert _switched(window) == _switched(window)
    assert _switched(window) != _switched(window, seed=1)
    other = _switched(window[::-1])
    assert sorted(map(str, other)) != sorted(map(str, _switched(window)))
