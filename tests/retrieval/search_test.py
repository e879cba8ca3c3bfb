import numpy as np
import pytest

from optical_jax import host_memory
from optical_jax.retrieval import blocks, encode, exact, search


def token_vectors(rng, lengths, d=8, dtype=np.float32):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    vectors = rng.standard_normal((offsets[-1], d)).astype(dtype)
    return encode.TokenVectors(vectors, offsets, np.zeros(offsets[-1], np.int32))


def reference(queries, corpus):
    """Every score by NumPy, one pair at a time."""
    return np.array(
        [
            [
                (queries[i].astype(np.float32) @ corpus[j].astype(np.float32).T)
                .max(axis=1)
                .sum()
                for j in range(len(corpus))
            ]
            for i in range(len(queries))
        ]
    )


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(1)
    return token_vectors(rng, rng.integers(9, 33, 57))


@pytest.fixture(scope="module")
def queries():
    rng = np.random.default_rng(2)
    return token_vectors(rng, rng.integers(1, 12, 9))


@pytest.mark.parametrize(
    "sizes", [{}, {"block_tokens": 128, "chunk": 30, "query_tokens": 13}]
)
def test_equals_all_pairs_whatever_the_blocks(queries, corpus, sizes):
    ranking = search.search(queries, corpus, k=20, **sizes)
    expected = reference(queries, corpus)
    best = np.argsort(-expected, axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(ranking.indices, best)
    np.testing.assert_allclose(
        ranking.scores, np.take_along_axis(expected, best, 1), rtol=1e-5
    )


def test_half_precision_corpus(queries, corpus):
    half = encode.TokenVectors(
        corpus.vectors.astype(np.float16), corpus.offsets, corpus.token_ids
    )
    scores = search.search(queries, half, k=3).scores
    expected = -np.sort(-reference(queries, half), axis=1)[:, :3]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@pytest.mark.parametrize("chunk", [3, 100])
def test_equal_scores_rank_by_position(rng, chunk):
    one = rng.standard_normal((2, 8)).astype(np.float32)
    # The same document eight times, once padded by a longer neighbour's block.
    corpus = encode.TokenVectors(
        np.tile(one, (8, 1)), np.arange(0, 17, 2), np.zeros(16, np.int32)
    )
    queries = token_vectors(rng, [3, 1])
    ranking = search.search(queries, corpus, k=5, chunk=chunk)
    np.testing.assert_array_equal(ranking.indices, np.tile(np.arange(5), (2, 1)))
    assert (ranking.scores == ranking.scores[:, :1]).all()


def test_a_document_without_vectors_is_not_retrieved(rng):
    corpus = token_vectors(rng, [4, 0, 2])
    queries = token_vectors(rng, [3])
    ranking = search.search(queries, corpus, k=3)
    assert sorted(ranking.indices[0][:2]) == [0, 2]
    assert ranking.scores[0, 2] == -np.inf


def test_a_query_without_vectors_scores_every_document_the_same(rng):
    ranking = search.search(
        token_vectors(rng, [0, 3]), token_vectors(rng, [4, 0, 2]), k=3
    )
    assert ranking.indices[0].tolist() == [0, 1, 2]
    assert ranking.scores[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_prepared_corpus_gives_the_same_ranking(rng, dtype):
    queries = token_vectors(rng, [4, 1, 7])
    corpus = token_vectors(rng, [*rng.integers(1, 40, 90), 0], dtype=dtype)
    prepared = search.prepare(corpus, chunk=40)
    assert prepared.passes == "one"
    assert [(part.start, part.count) for part in prepared.chunks] == [
        (0, 40),
        (40, 40),
        (80, 11),
    ]
    expected = search.search(queries, corpus, k=91, chunk=40)
    for _ in range(2):
        found = search.search(queries, corpus, k=91, prepared=prepared)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.scores, expected.scores)
    with pytest.raises(ValueError, match="got one of 91 documents for 2; prepare it"):
        search.search(queries, corpus.part(0, 2), prepared=prepared)


def test_nothing_is_prepared_beyond_half_of_the_free_memory(corpus, monkeypatch):
    needed = corpus.vectors.size * 4
    monkeypatch.setattr(host_memory, "available", lambda: 2 * needed)
    assert search.prepare(corpus).count == len(corpus)
    monkeypatch.setattr(host_memory, "available", lambda: 2 * needed - 1)
    assert search.prepare(corpus) is None
    monkeypatch.setattr(host_memory, "available", lambda: None)
    assert search.prepare(corpus).count == len(corpus)


def test_an_accelerator_keeps_vectors_as_they_are_in_its_own_memory(rng, monkeypatch):
    corpus = token_vectors(rng, [5, 2, 9], dtype=np.float16)
    queries = token_vectors(rng, [3])
    expected = search.search(queries, corpus, k=3)
    monkeypatch.setattr(search.jax, "default_backend", lambda: "gpu")
    needed = corpus.vectors.nbytes
    monkeypatch.setattr(search, "_free_on_device", lambda: 2 * needed)
    prepared = search.prepare(corpus)
    (block,) = prepared.chunks[0].blocks
    assert block[1].dtype == np.float16
    found = search.search(queries, corpus, k=3, prepared=prepared)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    monkeypatch.setattr(search, "_free_on_device", lambda: 2 * needed - 1)
    assert search.prepare(corpus) is None


@pytest.mark.parametrize("tiles", [1, 3, 64])
def test_scores_do_not_depend_on_tiles(queries, corpus, tiles):
    groups = list(blocks.groups(queries, 2048))
    part = exact.chunk(corpus, np.arange(len(corpus)), tile=64, tiles=tiles)
    np.testing.assert_allclose(
        exact.scores(groups, part), reference(queries, corpus), rtol=1e-5
    )


def test_k_is_at_most_the_number_of_documents(queries, corpus):
    assert search.search(queries, corpus, k=1000).indices.shape == (9, 57)


def test_single_vectors_are_dot_products(rng):
    corpus, queries = token_vectors(rng, [1] * 30), token_vectors(rng, [1] * 4)
    scores = search.search(queries, corpus, k=1).scores[:, 0]
    expected = (queries.vectors @ corpus.vectors.T).max(axis=1)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_progress_ends_with_all_documents(queries, corpus):
    calls = []
    search.search(
        queries, corpus, k=1, chunk=20, progress=lambda *done: calls.append(done)
    )
    assert calls == [(20, 57), (40, 57), (57, 57)]


def test_matches_names_the_closest_token():
    query = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    doc = np.array([[0.0, 2.0], [3.0, 0.0], [1.0, 1.0]], np.float16)
    places, similarities = search.matches(query, doc)
    assert places.tolist() == [1, 0]
    assert similarities.tolist() == [3.0, 2.0]


def test_widths_must_agree(rng):
    with pytest.raises(
        ValueError, match="same width, got 4 and 8; use a query encoder"
    ):
        search.search(token_vectors(rng, [2], d=4), token_vectors(rng, [2]))


def test_empty_input_is_refused(rng):
    some, none = token_vectors(rng, [2]), token_vectors(rng, [])
    with pytest.raises(ValueError, match="one query and one document, got 1 and 0"):
        search.search(some, none)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        search.search(some, some, k=0)
