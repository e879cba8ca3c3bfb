import threading

import jax
import numpy as np
import pytest

from optical_jax.retrieval import encode, search, sharded_search
from optical_jax.retrieval.search import Ranking
from tests.retrieval.search_test import reference, token_vectors


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(1)
    return token_vectors(rng, rng.choice([0, 4, 4, 4], 60), dtype=np.float16)


@pytest.fixture(scope="module")
def queries():
    rng = np.random.default_rng(2)
    return token_vectors(rng, rng.integers(1, 8, 5))


def mesh(devices):
    auto = (jax.sharding.AxisType.Auto,)
    return jax.make_mesh((devices,), ("data",), axis_types=auto)


def test_eight_devices_rank_as_one_does_bit_for_bit(queries, corpus):
    one = sharded_search.search(queries, corpus, k=30, block=12)
    found = sharded_search.search(queries, corpus, k=30, block=12, mesh=mesh(8))
    np.testing.assert_array_equal(found.indices, one.indices)
    np.testing.assert_array_equal(found.scores, one.scores)
    expected = reference_with_empty(queries, corpus)
    best = np.argsort(-expected, axis=1, kind="stable")[:, :30]
    np.testing.assert_array_equal(one.indices, best)
    np.testing.assert_allclose(
        one.scores, np.take_along_axis(expected, best, 1), rtol=1e-5
    )


def reference_with_empty(queries, corpus):
    """Every score; a document without vectors scores -inf."""
    full = [i for i in range(len(corpus)) if corpus.lengths[i]]
    kept = encode.TokenVectors(
        corpus.vectors,
        np.concatenate([[0], np.cumsum(corpus.lengths[full])]),
        corpus.token_ids,
    )
    scores = np.full((len(queries), len(corpus)), -np.inf, np.float32)
    scores[:, full] = reference(queries, kept)
    return scores


def test_every_device_searches(queries, corpus, monkeypatch):
    used, one, together = set(), search.search, threading.Barrier(4, timeout=60)

    def recorded(*args, **kwargs):
        used.add(jax.config.jax_default_device)
        together.wait()  # four at a time, or none goes on
        return one(*args, **kwargs)

    monkeypatch.setattr(search, "search", recorded)
    sharded_search.search(queries, corpus, k=3, block=15, mesh=mesh(4))
    assert used == set(jax.devices()[:4])


def test_blocks_are_read_one_at_a_time(queries, corpus, monkeypatch):
    seen, part = [], encode.TokenVectors.part

    def recorded(self, start, stop):
        if self is corpus:
            seen.append((start, stop))
        return part(self, start, stop)

    monkeypatch.setattr(encode.TokenVectors, "part", recorded)
    done = []
    sharded_search.search(
        queries, corpus, k=3, block=25, progress=lambda *n: done.append(n)
    )
    assert seen == [(0, 25), (25, 50), (50, 60)]
    assert done == [(25, 60), (50, 60), (60, 60)]


def test_equal_scores_rank_by_position_across_blocks_and_devices(rng):
    one = rng.standard_normal((2, 8)).astype(np.float32)
    corpus = encode.TokenVectors(
        np.tile(one, (12, 1)), np.arange(0, 25, 2), np.zeros(24, np.int32)
    )
    found = sharded_search.search(
        token_vectors(rng, [3, 1]), corpus, k=7, block=4, mesh=mesh(3)
    )
    np.testing.assert_array_equal(found.indices, np.tile(np.arange(7), (2, 1)))


def test_rankings_merge_in_any_order(rng):
    parts = [
        Ranking(
            np.sort(rng.choice(np.arange(i, 40, 4), 6, replace=False))[None].astype(
                np.int32
            ),
            -np.sort(rng.integers(0, 4, (1, 6))).astype(np.float32),
        )
        for i in range(4)
    ]
    docs = np.concatenate([p.indices[0] for p in parts])
    scores = np.concatenate([p.scores[0] for p in parts])
    expected = docs[np.lexsort((docs, -scores))][:9]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        best = Ranking(np.zeros((1, 0), np.int32), np.zeros((1, 0), np.float32))
        for i in order:
            best = sharded_search.merge(best, parts[i], 9)
        np.testing.assert_array_equal(best.indices[0], expected)


def test_what_cannot_be_searched_is_refused(rng, queries, corpus):
    with pytest.raises(ValueError, match="same width, got 4 and 8"):
        sharded_search.search(token_vectors(rng, [2], d=4), corpus)
    with pytest.raises(ValueError, match="one document, got 5 and 0"):
        sharded_search.search(queries, token_vectors(rng, []))
