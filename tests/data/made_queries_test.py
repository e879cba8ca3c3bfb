import numpy as np
import pytest

from optical_jax.data import alignment, lexicon, made_queries, phrases
from optical_jax.data.sources import Pair
from tests.data import bilingual

KNOWN = bilingual.WORDS | {n.lower(): n.lower() for n in bilingual.NAMES}
KNOWN |= {"near": "karibu", "prime": "kuu", "house": "jumba"}


@pytest.fixture(scope="module")
def maker() -> made_queries.QueryMaker:
    return made_queries.QueryMaker(phrases.link(bilingual.pairs(300)))


def _made(make, rng: np.random.Generator) -> list[tuple[int, Pair]]:
    made = [(i, make(i, rng)) for i in range(300)]
    return [(i, pair) for i, pair in made if pair is not None]


def _translates(pair: Pair) -> bool:
    """Tell whether the words with meaning are the same on both sides."""
    source, target = map(alignment.word_tokenize, pair)
    return sorted(KNOWN[w] for w in source if w in KNOWN) == sorted(
        w for w in target if w in KNOWN.values()
    )


def test_phrases_are_stretches_that_translate_each_other(maker, rng) -> None:
    made = _made(maker.phrase, rng)
    assert len(made) > 150
    for i, pair in made:
        assert pair.source in maker.linked[i].pair.source
        assert pair.target in maker.linked[i].pair.target
        assert 2 <= len(pair.source.split()) <= 6
        assert not {"the", "a"} & {pair.source.split()[0], pair.source.split()[-1]}
    assert np.mean([_translates(pair) for _, pair in made]) > 0.98


def test_keywords_keep_the_order_of_each_side(maker, rng) -> None:
    made = _made(maker.keywords, rng)
    assert len(made) > 150
    for i, pair in made:
        for words, text in zip(pair, maker.linked[i].pair, strict=True):
            places = [text.split().index(w) for w in words.split() if w in text.split()]
            assert places == sorted(places)
        assert 2 <= len(pair.source.split()) <= 5
        assert not {"the", "a", "did"} & set(pair.source.lower().split())
    assert np.mean([_translates(pair) for _, pair in made]) > 0.98


def test_questions_get_another_phrase_at_the_same_place(maker, rng) -> None:
    made = _made(maker.question, rng)
    assert len(made) > 20
    for i, pair in made:
        before = maker.linked[i].pair
        assert lexicon.is_question(before.source)
        assert pair != before
        assert pair.source.split()[0] == before.source.split()[0]
        assert pair.target.split()[0] == before.target.split()[0]
        assert _translates(pair)


def test_pairs_without_words_to_take_make_nothing(rng) -> None:
    given = [Pair("a b", "c d"), Pair("!", "?"), Pair("a?", "c?")]
    maker = made_queries.QueryMaker(phrases.link(given))
    for make in (maker.phrase, maker.keywords, maker.question):
        assert [make(i, rng) for i in range(3)] == [None] * 3


def test_the_same_generator_makes_the_same_queries(maker) -> None:
    for make in (maker.phrase, maker.keywords, maker.question):
        first, again = (_made(make, np.random.default_rng(1)) for _ in range(2))
        assert first == again
