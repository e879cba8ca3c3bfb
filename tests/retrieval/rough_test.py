import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from optical_jax.retrieval import blocks, encode, rough, search


def texts(vectors, lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return encode.TokenVectors(vectors, offsets, np.zeros(len(vectors), np.int32))


def double_loop(queries, corpus):
    """Every score in float64: a loop over queries, one over documents."""
    scores = np.full((len(queries), len(corpus)), -np.inf)
    for i in range(len(queries)):
        for j in range(len(corpus)):
            products = queries[i].astype(float) @ corpus[j].astype(float).T
            scores[i, j] = products.max(axis=1, initial=-np.inf).sum()
    return scores


def best(scores, k):
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(scores, order, axis=1)
    return np.where(found > -np.inf, order, -1), found


@st.composite
def worlds(draw):
    """Numbers of 10 bits, which bfloat16 rounds and float32 sums exactly, so ties are ties."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = rng.integers(draw(st.sampled_from([0, 1, 3])), 5, 40)
    # Few shapes, for each is compiled; a query with its tokens masked is one without any.
    counts = np.array(draw(st.sampled_from([[4, 0, 2, 4, 2, 4], [2] * 4, [0, 0]])))
    # Few directions: equal tokens, equal documents; apart by one unit of the last place.
    low, high = draw(st.sampled_from([(-512, 513), (-512, 1), (509, 513), (-3, 4)]))
    make = lambda n: rng.integers(low, high, (n, 8)).astype(np.float32) / 512
    pool = make(draw(st.sampled_from([2, 12, 400])))
    corpus = pool[rng.integers(0, len(pool), lengths.sum())]
    queries = make(counts.sum())
    if draw(st.booleans()):
        # Documents that are others again, or others with one more token.
        lengths[20:] = lengths[:20]
        corpus = np.concatenate([corpus[: lengths[:20].sum()]] * 2)
    return texts(queries, counts), texts(corpus, lengths)


@hypothesis.settings(deadline=None, max_examples=25, derandomize=True)
@hypothesis.given(
    world=worlds(), k=st.sampled_from([1, 10, 40]), chunk=st.sampled_from([16, 4096])
)
def test_two_passes_find_what_the_double_loop_finds(world, k, chunk):
    queries, corpus = world
    positions, scores = best(double_loop(queries, corpus), k)
    found = search.search(queries, corpus, k=k, chunk=chunk, passes="two")
    np.testing.assert_array_equal(found.scores, scores.astype(np.float32))
    np.testing.assert_array_equal(found.indices, positions)


@pytest.fixture(scope="module")
def crowd():
    """Unit vectors of documents that all lie near each other, and queries among them."""
    rng = np.random.default_rng(0)
    make = lambda n: rng.standard_normal((n, 64)) + 2
    unit = lambda x: (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    lengths, counts = rng.integers(1, 24, 300), rng.integers(1, 9, 8)
    return texts(unit(make(counts.sum())), counts), texts(
        unit(make(lengths.sum())), lengths
    )


def bounds(queries, corpus):
    (group,) = blocks.groups(queries, 512)
    part = rough.chunk(
        blocks.blocks(corpus, np.arange(len(corpus)), 256), corpus.lengths, 0
    )
    return rough.bounds(rough.queries(group.tokens, group.slots), part, len(queries))


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e12])
def test_scores_lie_within_the_bounds_which_are_narrow(crowd, scale):
    queries, corpus = crowd
    corpus = texts(corpus.vectors * np.float32(scale), corpus.lengths)
    exact = double_loop(queries, corpus)
    lower, upper = bounds(queries, corpus)
    assert (lower <= exact).all()
    assert (exact <= upper).all()
    # Unit vectors: bfloat16 has 8 bits, so each of two factors is off by less than 2^-8.
    assert ((upper - lower) < 4 * 2.0**-8 * scale * queries.lengths[:, None]).all()
    assert (np.abs((upper + lower) / 2 - exact) > 1e-6 * scale).any()


def test_the_worst_rounding_stays_within_the_bounds():
    # 1 + 2^-8 lies between two numbers of bfloat16: each is off as far as any can be, and
    # all the same way.
    worst = np.full((3, 8), 1 + 2.0**-8, np.float32)
    lower, upper = bounds(texts(worst, [3]), texts(worst, [2, 1]))
    exact = 3 * 8 * (1 + 2.0**-8) ** 2
    assert (lower <= exact).all()
    assert (exact <= upper).all()
    assert (np.abs((lower + upper) / 2 - exact) > 0.9 * (upper - exact)).all()


def test_few_candidates_are_left(crowd):
    queries, corpus = crowd
    candidates = rough.Candidates(len(queries), 3)
    part = rough.chunk(
        blocks.blocks(corpus, np.arange(len(corpus)), 256), corpus.lengths, 0
    )
    candidates.add(slice(0, len(queries)), part, *bounds(queries, corpus))
    left = [len(documents) for documents in candidates.of_each()]
    assert min(left) >= 3
    assert np.mean(left) < 30


def test_a_number_that_bfloat16_cannot_hold_is_not_lost(crowd):
    _, corpus = crowd
    vectors = corpus.vectors.copy()
    vectors[corpus.offsets[7], 0] = 3.4e38
    query = texts(np.eye(1, 64, dtype=np.float32), [1])
    huge = texts(vectors, corpus.lengths)
    found = search.search(query, huge, k=2, passes="two")
    assert found.indices[0, 0] == 7
    assert found.scores[0, 0] == np.float32(3.4e38)
    rest = search.search(query, corpus, k=1, passes="one")
    assert found.indices[0, 1] == rest.indices[0, 0]


def test_a_prepared_corpus_is_searched_the_same(crowd, monkeypatch):
    queries, corpus = crowd
    monkeypatch.setattr(rough, "pays", lambda: True)
    monkeypatch.setattr(search, "_LEAST_TOKENS", 1)
    prepared = search.prepare(corpus, chunk=128)
    assert prepared.passes == "two"
    assert [part.count for part in prepared.chunks] == [128, 128, 44]
    found = search.search(queries, corpus, k=20, prepared=prepared)
    expected = search.search(queries, corpus, k=20, passes="one")
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
