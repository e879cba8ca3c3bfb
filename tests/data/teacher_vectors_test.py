import os

import numpy as np
import pytest

from optical_jax.data import teacher_vectors
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


def test_a_damaged_shard_is_named(tmp_path):
    _compute(tmp_path)
    (shard,) = tmp_path.rglob("*.array_record")
    os.truncate(shard, 100)
    with pytest.raises(ValueError, match=r"are damaged .*; delete that directory"):
        _compute(tmp_path)
