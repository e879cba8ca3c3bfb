import dataclasses

import numpy as np
import pytest
import scipy.sparse

from optical_jax.data import alignment
from optical_jax.data.sources import Pair
from optical_jax.retrieval import bm25, translation
from optical_jax.retrieval.translation import Ibm1Config

DOCUMENTS = [
    "the capital city of Kenya",
    "a town is smaller than a city; the town",
    "1998 was a year",
    "nothing here",
]
WORDS = bm25.Bm25(DOCUMENTS)
LEXICON = alignment.Lexicon(
    source_words=["city", "town", "capital", "year"],
    target_words=["mji", "mkuu", "1998"],
    probabilities=scipy.sparse.csr_matrix(
        np.array([[0.5, 0.3, 0.1, 0.0], [0.0, 0.0, 0.9, 0.0], [0.0, 0.0, 0.0, 1.0]])
    ),
)
PAIRS = [
    Pair("the city", "mji"),
    Pair("the capital city", "mji mkuu"),
    Pair("the capital", "mkuu"),
    Pair("the big house", "nyumba kubwa"),
    Pair("the house", "nyumba"),
]


def translated(text, **fields):
    config = Ibm1Config(**{"normalize": False, **fields})
    return translation.translate(text, LEXICON, config, words=WORDS)


def test_words_become_distributions_and_others_stay():
    assert translated("Mji mkuu wa Kenya, 1998?") == [
        {"city": 0.5, "town": 0.3, "capital": 0.1},
        {"capital": 0.9},
        {"wa": 1.0},
        {"kenya": 1.0},
        {"1998": 1.0},
    ]
    # Digits of every script are the same numbers; a query of no words is empty.
    assert translated("१९९८ …") == [{"1998": 1.0}]
    assert translated("") == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"translations": 1}, {"city": 0.5}),
        ({"min_probability": 0.2}, {"city": 0.5, "town": 0.3}),
        ({"min_probability": 0.9}, {"city": 0.5}),
        ({"cumulative": 0.5}, {"city": 0.5}),
        ({"cumulative": 0.6}, {"city": 0.5, "town": 0.3}),
        ({"cumulative": 0.6, "normalize": True}, {"city": 0.625, "town": 0.375}),
    ],
)
def test_cuts(fields, expected):
    assert translated("mji", **fields) == [pytest.approx(expected)]


def test_weighted_is_the_sum_of_translations_weights():
    config = Ibm1Config(normalize=False)
    found = translation.rank(["mji mkuu"], LEXICON, config, words=WORDS)
    score = {term: WORDS.score({term: 1.0}) for term in ("city", "town", "capital")}
    expected = 0.5 * score["city"] + 0.3 * score["town"] + 1.0 * score["capital"]
    assert found.indices.tolist() == [[0, 1, -1, -1]]
    np.testing.assert_allclose(found.scores[0, :2], expected[:2], rtol=1e-5)
    assert np.isneginf(found.scores[0, 2:]).all()


def test_psq_is_the_sum_of_its_words_mixtures():
    config = Ibm1Config(method="psq", translations=2, normalize=False)
    found = translation.rank(["mji mkuu", ""], LEXICON, config, words=WORDS, k=1)
    expected = WORDS.score_mixture({"city": 0.5, "town": 0.3})
    expected = expected + WORDS.score_mixture({"capital": 0.9})
    assert found.indices[0, 0] == np.argmax(expected)
    assert found.scores[0, 0] == pytest.approx(expected.max(), rel=1e-5)
    assert np.isneginf(found.scores[1]).all()


def test_with_a_lexicon_of_the_words_themselves_it_is_bm25(rng):
    vocabulary = sorted(WORDS.vocabulary)
    same = alignment.Lexicon(
        source_words=vocabulary,
        target_words=vocabulary,
        probabilities=scipy.sparse.csr_matrix(np.eye(len(vocabulary))),
    )
    texts = [" ".join(rng.choice(vocabulary, 3)) for _ in range(6)]
    expected = WORDS.rank(texts)
    for method in ("weighted", "psq"):
        found = translation.rank(texts, same, Ibm1Config(method=method), words=WORDS)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_the_lexicon_is_estimated_once_for_the_same_terms(tmp_path, monkeypatch):
    config = Ibm1Config()
    first = translation.estimate(PAIRS, config, words=WORDS, cache=tmp_path)
    assert first.translations("mkuu", 1)[0][0] == "capital"
    assert first.translations("mji", 1)[0][0] == "city"
    (path,) = tmp_path.iterdir()
    monkeypatch.setattr(alignment, "ibm1", None)
    again = translation.estimate(
        PAIRS, dataclasses.replace(config, translations=2), words=WORDS, cache=tmp_path
    )
    assert again.source_words == first.source_words
    assert again.target_words == first.target_words
    assert (again.probabilities != first.probabilities).nnz == 0
    # Other pairs, steps or terms are another lexicon.
    stemmed = bm25.Bm25(DOCUMENTS, bm25.Bm25Config(stem="english"))
    for pairs, steps, words in (
        (PAIRS[1:], 5, WORDS),
        (PAIRS, 4, WORDS),
        (PAIRS, 5, stemmed),
    ):
        with pytest.raises(TypeError, match="not callable"):
            translation.estimate(
                pairs, Ibm1Config(iterations=steps), words=words, cache=tmp_path
            )
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(
        ValueError, match="npz is damaged .*; delete it and it is estim"
    ):
        translation.estimate(PAIRS, config, words=WORDS, cache=tmp_path)


def test_a_name_is_paired_with_itself(tmp_path):
    """Seen once among other words, it could be any of theirs."""
    pairs = [*PAIRS, Pair("a large town of Kenya", "nairobi na kenya ni miji")]

    def best(word, copies):
        lexicon = translation.estimate(
            pairs, Ibm1Config(copies=copies), words=WORDS, cache=tmp_path
        )
        return lexicon.translations(word, 1)[0]

    assert best("kenya", 0)[1] < 0.3
    assert best("kenya", 2)[0] == "kenya"
    assert best("kenya", 2)[1] > 0.8
    # No document has this one.
    assert best("nairobi", 2)[0] != "nairobi"


def test_a_large_bitext_is_sampled(tmp_path):
    config = Ibm1Config(max_pairs=2, copies=0)
    found = translation.estimate(PAIRS, config, words=WORDS, cache=tmp_path)
    assert 0 < len(found.target_words) <= 3
    again = translation.estimate(PAIRS, config, words=WORDS, cache=tmp_path)
    assert again.target_words == found.target_words
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("translations", 0),
        ("min_probability", 1.0),
        ("cumulative", 0.0),
        ("iterations", 0),
        ("tension", -1.0),
        ("copies", -1),
        ("max_characters", 0),
        ("max_pairs", 0),
    ],
)
def test_bad_settings(field, value):
    with pytest.raises(ValueError, match=f"ibm1.{field} must be .*, got {value}"):
        Ibm1Config(**{field: value})
