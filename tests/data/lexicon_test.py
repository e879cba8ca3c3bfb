import pytest

from optical_jax.data import lexicon, phrases, word_spans
from optical_jax.data.sources import Pair
from tests.data import bilingual


@pytest.fixture(scope="module")
def rows() -> list:
    linked = phrases.link(bilingual.pairs(400))
    return list(lexicon.learn(linked, max_words=3, min_probability=0.1))


def _best(rows: list, context: str) -> dict[str, str]:
    best = {}
    for row in sorted(rows, key=lambda row: row.probability):
        if row.context == context:
            best[row.words] = row.translation
    return best


def test_words_have_their_translations_in_lower_case(rows: list) -> None:
    best = _best(rows, "any")
    assert {w: best[w] for w in bilingual.WORDS} == bilingual.WORDS


def test_names_are_known_where_they_are_capitalised(rows: list) -> None:
    best = _best(rows, "name")
    assert {best[name.lower()] for name in bilingual.NAMES} == set(bilingual.NAMES)
    assert not set(best) & set(bilingual.WORDS)


def test_question_words_mean_something_else_in_questions(rows: list) -> None:
    assert _best(rows, "question")["who"] == "Nani"
    assert _best(rows, "any")["who"] == "ambaye"


def test_words_without_translation_may_be_left_out(rows: list) -> None:
    assert _best(rows, "any")["the"] == ""
    assert not {r.words for r in rows if not r.translation} & set(bilingual.WORDS)


def test_phrases_are_entries(rows: list) -> None:
    assert _best(rows, "any")["prime house"].lower() == "jumba kuu"
    assert max(len(row.words.split()) for row in rows) <= 3


def test_probabilities_sum_to_one_and_keep_to_the_limit(rows: list) -> None:
    sums: dict[tuple[str, str], float] = {}
    for row in rows:
        assert row.probability >= 0.1
        key = (row.context, row.words)
        sums[key] = sums.get(key, 0.0) + row.probability
    assert all(total == pytest.approx(1) for total in sums.values())


def test_what_is_seen_once_is_an_entry_only_as_a_whole_pair() -> None:
    given = [Pair("red house", "nyumba nyekundu")] * 2 + [
        Pair("a cat sat there", "paka alikaa hapo jana")
    ]
    listed = [Pair("fox", "mbweha"), Pair("thank you", "asante sana")]
    linked = phrases.link([*given, *listed])
    rows = list(lexicon.learn(linked, max_words=2, min_probability=0.0))
    assert {row.words for row in rows} == {
        *("red", "house", "red house"),
        *("fox", "thank you"),
    }
    assert _best(rows, "any")["fox"] == "mbweha"


@pytest.mark.parametrize("text", ["who?", 'what ?" ', "кто？", "من؟", "(who?)"])
def test_questions(text: str) -> None:
    assert lexicon.is_question(text)
    assert not lexicon.is_question(text + " no.")


def test_the_head_of_every_clause_of_a_question_asks() -> None:
    text = "In 1880, in which year did it end?"
    found = lexicon.asking(text, word_spans.spans(text))
    assert found == [True, True, True, True, True, False, False, False]
    assert not any(lexicon.asking(text[:-1], word_spans.spans(text[:-1])))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Kenya and Rose walk in March.", ["rose", "march"]),
        ("He left. Rose came to Uganda", ["uganda"]),
        ("The Rise of the Third House", []),
        ("who is will smith", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    spans = word_spans.spans(text)
    found = lexicon.names(text, spans)
    assert [s.word for s, name in zip(spans, found, strict=True) if name] == names
