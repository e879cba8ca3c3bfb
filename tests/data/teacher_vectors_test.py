import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.data import teacher_vectors, tokenize
from optical_jax.retrieval import encode
from tests.models import tiny

_TEXTS = [f"{'habari ' * (i % 5)}x{i}" for i in range(30)]


def _compute(tmp_path, model=None, texts=_TEXTS, **settings):
    model = model or tiny.make(tiny.TOKENWISE)
    return teacher_vectors.compute(model, texts, cache_dir=tmp_path, **settings)


def test_equal_what_the_teacher_says(tmp_path):
    found = _compute(tmp_path).read(range(30))
    expected = encode.encode_queries(tiny.make(tiny.TOKENWISE), _TEXTS)
    assert len(found) == len(expected)
    for i, vectors in enumerate(found):
        np.testing.assert_allclose(vectors.astype(np.float32), expected[i], atol=1e-3)


def test_an_interrupted_computation_goes_on_at_the_next_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher_vectors, "_SHARD", 8)
    whole = _compute(tmp_path).read(range(30))
    (folder,) = tmp_path.iterdir()
    shards = sorted(folder.iterdir())
    assert len(shards) == 4
    before = shards[0].stat().st_mtime_ns
    shards[2].unlink()
    again = _compute(tmp_path).read(range(30))
    assert shards[0].stat().st_mtime_ns == before
    assert all(np.array_equal(a, b) for a, b in zip(again, whole, strict=True))
    assert not list(folder.glob("*.tmp"))


def test_another_teacher_or_text_has_another_cache(tmp_path):
    _compute(tmp_path)
    _compute(tmp_path, model=tiny.make(tiny.TOKENWISE, seed=1))
    _compute(tmp_path, texts=[*_TEXTS, "one more"])
    assert len(list(tmp_path.iterdir())) == 3


def test_joined_caches_share_entries_of_equal_sentences(tmp_path):
    first, more = _compute(tmp_path), _compute(tmp_path, texts=["new", "newer"])
    joined = first.joined(more, np.array([0, 1, 31, 1, 30]))
    assert len(joined) == 5
    expected = [*first.read([0, 1]), *more.read([1]), *first.read([1]), *more.read([0])]
    for a, b in zip(joined.read(range(5)), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_texts_computed_apart_are_computed_once(tmp_path):
    asked = []

    def compute(texts):
        asked.append(texts)
        return _compute(tmp_path, texts=texts)

    texts = ["a b", "c", "a b", "c", "d", "d", "a b"]
    for given in (texts, texts[:4], texts[:2]):
        found = teacher_vectors.compute_apart(compute, given, first=2)
        expected = encode.encode_queries(tiny.make(tiny.TOKENWISE), given)
        assert len(found) == len(given)
        for i, vectors in enumerate(found.read(range(len(given)))):
            np.testing.assert_allclose(vectors, expected[i], atol=1e-3)
    assert asked == [["a b", "c"], ["d"], ["a b", "c"], ["a b", "c"]]


def test_a_damaged_shard_is_named(tmp_path):
    _compute(tmp_path)
    (shard,) = tmp_path.rglob("*.array_record")
    os.truncate(shard, 100)
    with pytest.raises(ValueError, match=r"are damaged .*; delete that directory"):
        _compute(tmp_path)


def test_norms_and_attention_are_kept_beside_vectors_in_a_cache_of_their_own(tmp_path):
    plain = _compute(tmp_path)
    weighed = _compute(tmp_path, weighed=True)
    assert len(list(tmp_path.iterdir())) == 2
    for a, b in zip(plain.read(range(30)), weighed.read(range(30)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    lengths = [len(rows) for rows in plain.read([3, 7])]
    scored = np.arange(9) < np.array(lengths)[:, None]
    found = weighed.padded([3, 7], scored)
    assert set(plain.padded([3, 7], scored)) == {"vectors"}
    assert found["vectors"].shape == (2, 9, weighed.read([3])[0].shape[1])
    np.testing.assert_allclose(found["attention"].sum(axis=1), 1, atol=5e-3)
    assert (found["norm"][scored] > 0).all()
    assert not found["norm"][~scored].any()


def test_documents_keep_the_places_of_tokens_that_are_not_scored(tmp_path):
    model = tiny.make(tiny.COLBERT)
    texts = ["who, wrote!", "the book"]
    cached = _compute(tmp_path, model=model, texts=texts, kind="document")
    rows = model.text.documents(texts)
    batch = tokenize.pad(rows, 12, pad_id=model.text.pad_id)
    found = cached.padded([0, 1], batch["scored"])["vectors"].astype(np.float32)
    ids, mask = jnp.asarray(batch["ids"]), jnp.asarray(batch["mask"])
    expected = np.asarray(jax.jit(model.vectors)(model.params, ids, mask))
    assert not batch["scored"][0][batch["mask"][0]].all()
    scored = batch["scored"]
    np.testing.assert_allclose(found[scored], expected[scored], atol=1e-3)
    assert not found[~scored].any()


def test_a_teacher_with_one_vector_a_text_keeps_it(tmp_path):
    model = tiny.make(tiny.POOLED)
    cached = _compute(tmp_path, model=model, texts=_TEXTS[:2])
    scored = np.ones((2, 5), bool)
    found = cached.padded([0, 1], scored)["vectors"]
    expected = encode.encode_queries(model, _TEXTS[:2])
    assert found.shape == (2, 1, 16)
    np.testing.assert_allclose(found[:, 0], expected.vectors, atol=1e-3)
