import collections

import bm25s
import numpy as np
import pytest

from optical_jax.retrieval import bm25

DOCUMENTS = [
    "The capital of Kenya is Nairobi.",
    "Nairobi, Nairobi and Nairobi again",
    "Dar es Salaam is not the capital",
    "lake Victoria",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mji mkuu wa Kenya, 2019!", ["mji", "mkuu", "wa", "kenya", "2019"]),
        # Vowel signs and the virama are combining marks.
        ("हिन्दी में क्या है?", ["हिन्दी", "में", "क्या", "है"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        # Composed and decomposed tone marks are the same word.
        ("Ọ̀rọ̀", ["ọ̀rọ̀"]),
        ("o\u0323ro\u0323", ["ọrọ"]),
        ("co\u00adop a b", ["coop"]),
        ("東京都 x1", ["東京", "京都", "x1"]),
        ("…—!", []),
    ],
)
def test_words(text, expected):
    assert bm25.words(text) == expected


def test_ranks_by_the_formula():
    ranking = bm25.Bm25(DOCUMENTS).rank(["nairobi", "victoria lake"])
    assert ranking.indices[0].tolist() == [1, 0, -1, -1]
    assert ranking.indices[1].tolist() == [3, -1, -1, -1]
    # Lucene's idf and term weight, from their definitions.
    lengths = np.array([6, 5, 7, 2])
    idf = np.log(1 + (4 - 2 + 0.5) / (2 + 0.5))
    norm = 1.5 * (1 - 0.75 + 0.75 * lengths / lengths.mean())
    expected = [idf * 3 / (3 + norm[1]), idf * 1 / (1 + norm[0])]
    np.testing.assert_allclose(ranking.scores[0, :2], expected, rtol=1e-5)


def test_equal_scores_rank_by_position_and_unmatched_are_left_out():
    ranking = bm25.Bm25(["a lake", "sea", "a lake", "a lake"]).rank(
        ["lake", "zzz", ""], k=3
    )
    assert ranking.indices.tolist() == [[0, 2, 3], [-1, -1, -1], [-1, -1, -1]]
    assert np.isneginf(ranking.scores[1:]).all()


def test_stopwords_and_stems_apply_to_both_sides(tmp_path):
    def rank(query, **fields):
        config = bm25.Bm25Config(**fields)
        return bm25.Bm25(DOCUMENTS, config).rank([query]).indices[0, 0]

    assert rank("lakes") == -1
    assert rank("lakes", stem="english") == 3
    assert rank("is the", stopwords="en") == -1
    (tmp_path / "words").write_text("the\ncapital\n")
    assert rank("the capital", stopwords=str(tmp_path / "words")) == -1


def test_scores_are_those_of_the_library(rng):
    words = [f"w{i}" for i in range(30)]
    documents = [" ".join(rng.choice(words, 12)) for _ in range(40)]
    queries = [" ".join(rng.choice(words, 4)) for _ in range(5)]
    library = bm25s.BM25(method="lucene")
    library.index([bm25.words(text) for text in documents], show_progress=False)
    index = bm25.Bm25(documents)
    for query in queries:
        counts = collections.Counter(bm25.words(query))
        expected = library.get_scores(bm25.words(query))
        np.testing.assert_allclose(index.score(counts), expected, rtol=1e-5)
        # One term that stands for itself alone is that term.
        mixed = sum(n * index.score_mixture({w: 1.0}) for w, n in counts.items())
        np.testing.assert_allclose(mixed, expected, rtol=1e-5)


def test_a_mixture_averages_frequencies_before_they_are_weighed():
    index = bm25.Bm25(DOCUMENTS)
    found = index.score_mixture({"nairobi": 0.5, "victoria": 0.25, "unknown": 0.25})
    tf = np.array([0.5, 1.5, 0.0, 0.25])
    df = 0.5 * 2 + 0.25 * 1
    lengths = np.array([6, 5, 7, 2])
    norm = 1.5 * (1 - 0.75 + 0.75 * lengths / lengths.mean())
    expected = np.log(1 + (4 - df + 0.5) / (df + 0.5)) * tf / (tf + norm)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not index.score_mixture({}).any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"k1": -1.0}, "k1 of at least 0 and b between 0 and 1, got -1.0 and 0.75"),
        ({"b": 1.5}, "b between 0 and 1, got 1.5 and 1.5"),
        ({"stem": "klingon"}, "stem must be one of arabic, .*, got 'klingon'"),
        ({"stopwords": "xx"}, "stopwords must be a language .* got 'xx'"),
    ],
)
def test_bad_settings(fields, message):
    with pytest.raises(ValueError, match=message):
        bm25.Bm25Config(**fields)


def test_documents_without_words_are_refused():
    with pytest.raises(ValueError, match="documents with words in them, got 2"):
        bm25.Bm25(["", "!"])
