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


def test_stopwords_and_stems_apply_to_both_sides():
    unstemmed = bm25.Bm25(DOCUMENTS).rank(["lakes"])
    assert np.isneginf(unstemmed.scores).all()
    stem = lambda words: [word.removesuffix("s") for word in words]
    assert bm25.Bm25(DOCUMENTS, stem=stem).rank(["lakes"]).indices[0, 0] == 3
    stopped = bm25.Bm25(DOCUMENTS, stopwords=["the", "capital"]).rank(["the capital"])
    assert np.isneginf(stopped.scores).all()


def test_documents_without_words_are_refused():
    with pytest.raises(ValueError, match="documents with words in them, got 2"):
        bm25.Bm25(["", "!"])
