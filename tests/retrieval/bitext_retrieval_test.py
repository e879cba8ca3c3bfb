import numpy as np
import pytest

from optical_jax.retrieval import bitext_retrieval
from optical_jax.retrieval.encode import TokenVectors


def _texts(rng, n, d=8, *, longest=5):
    rows = [rng.standard_normal((rng.integers(1, longest + 1), d)) for _ in range(n)]
    return [(r / np.linalg.norm(r, axis=1, keepdims=True)).astype("f4") for r in rows]


def _vectors(rows):
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    every = np.concatenate(rows)
    return TokenVectors(every, offsets, np.zeros(len(every), np.int32))


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    source = _texts(rng, 20)
    # Translations: the same vectors, disturbed.
    target = [
        (r + 0.4 * rng.standard_normal(r.shape)).astype(np.float32) for r in source
    ]
    return source, target


def _rank(scores, own):
    return int((scores >= scores[own]).sum())


def test_maxsim_ranks_match_a_loop(texts):
    source, target = texts
    own = np.array([3, 0, 7])
    found = bitext_retrieval.maxsim_ranks(
        _vectors([target[i] for i in own]), _vectors(source), own
    )
    for i, rank in zip(own, found, strict=True):
        scores = np.array([(target[i] @ s.T).max(axis=1).sum() for s in source])
        assert rank == _rank(scores, i)


def test_cosine_and_csls_match_a_loop(texts):
    source, target = texts
    found = bitext_retrieval.cosines(_vectors(target), _vectors(source))
    mean = lambda r: r.mean(axis=0) / np.linalg.norm(r.mean(axis=0))
    expected = np.array([[mean(t) @ mean(s) for s in source] for t in target])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    adjusted = bitext_retrieval.csls(expected)
    i, j = 4, 11
    near = lambda row: np.sort(row)[-10:].mean()
    by_hand = 2 * expected[i, j] - near(expected[i]) - near(expected[:, j])
    assert adjusted[i, j] == pytest.approx(by_hand)


def test_csls_puts_a_hub_back():
    # Column 0 is the nearest of all rows, by a little.
    cosine = np.full((12, 12), 0.1) + np.diag(np.full(12, 0.5))
    cosine[:, 0] = 0.65
    plain = bitext_retrieval.diagonal_ranks(cosine)
    assert plain[1:].tolist() == [2] * 11
    assert (bitext_retrieval.diagonal_ranks(bitext_retrieval.csls(cosine)) == 1).all()


def test_ties_count_against_the_translation():
    assert bitext_retrieval.diagonal_ranks(np.ones((3, 3))).tolist() == [3, 3, 3]
    assert bitext_retrieval.measures(np.array([1, 2, 4])) == {
        "R@1": pytest.approx(1 / 3),
        "RR": pytest.approx(1.75 / 3),
    }


def test_both_ways_of_equal_texts_find_all(texts):
    source, _ = texts
    found = bitext_retrieval.both_ways(_vectors(source), _vectors(source))
    assert len(found) == 6
    assert found["target->source", "cosine"] == {"R@1": 1.0, "RR": 1.0}
    assert found["source->target", "csls"] == {"R@1": 1.0, "RR": 1.0}
    with pytest.raises(ValueError, match=r"parallel, got 20 sources, 19 targets"):
        bitext_retrieval.both_ways(_vectors(source), _vectors(source[1:]))
