import dataclasses
import errno
import json
import os

import jax
import numpy as np
import pytest

from optical_jax.retrieval import encode, index
from tests.models import tiny

TEXTS = tiny.TEXTS[:6]
IDS = [f"d{i}" for i in range(6)]


@pytest.fixture(scope="module")
def model():
    return tiny.make(tiny.TOKENWISE)


@pytest.fixture
def built(model, tmp_path):
    return index.build(model, IDS, TEXTS, cache=tmp_path, batch_size=6)


def test_holds_the_vectors_in_half_precision_on_disk(model, built):
    expected = encode.encode_documents(model, TEXTS, batch_size=6)
    assert built.vectors.vectors.dtype == np.float16
    assert isinstance(built.vectors.vectors, np.memmap)
    np.testing.assert_allclose(built.vectors.vectors, expected.vectors, atol=1e-3)
    np.testing.assert_array_equal(built.vectors.offsets, expected.offsets)
    np.testing.assert_array_equal(built.vectors.token_ids, expected.token_ids)
    assert built.doc_ids == IDS


def test_is_encoded_once(model, built, tmp_path):
    def refuse(done, total):
        raise AssertionError("encoded again")

    again = index.build(model, IDS, TEXTS, cache=tmp_path, progress=refuse)
    assert again.folder == built.folder
    assert [path.name for path in tmp_path.iterdir()] == [built.folder.name]


def test_the_hash_covers_what_vectors_depend_on(model):
    def hashed(model=model, ids=IDS, texts=TEXTS, **options):
        return index.content_hash(model, ids, texts, **options)

    nudged = jax.tree.map(lambda x: x + 1e-6, model.params)
    accented = tiny.make(tiny.TOKENWISE, tokenizer=tiny.wordpiece(accents=True))
    others = [
        hashed(model.with_params(nudged)),
        hashed(dataclasses.replace(accented, params=model.params)),
        hashed(tiny.with_head(model, document_length=20)),
        hashed(texts=[*TEXTS[:-1], "another"]),
        hashed(ids=[*IDS[:-1], "another"]),
        hashed(dtype="float32"),
    ]
    assert len({hashed(), *others}) == 7
    # A query's length has no part in a document's vectors.
    assert hashed(tiny.with_head(model, query_length=20)) == hashed()


def test_a_truncated_file_is_refused(model, built, tmp_path):
    path = built.folder / "vectors.npy"
    size = path.stat().st_size
    os.truncate(path, size - 8)
    message = f"vectors.npy must have {size} bytes, got {size - 8}: it is truncated"
    with pytest.raises(ValueError, match=message):
        index.load(built.folder)
    with pytest.raises(ValueError, match="delete .* and it is built again"):
        index.build(model, IDS, TEXTS, cache=tmp_path)


def test_a_missing_file_is_refused(built):
    (built.folder / "offsets.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"offsets.npy is missing; delete"):
        index.load(built.folder)
    with pytest.raises(FileNotFoundError, match=r"not an index: it has no metadata"):
        index.load(built.folder.parent)


def test_another_format_is_refused(built):
    path = built.folder / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(ValueError, match="must have format 1, got 99"):
        index.load(built.folder)


def test_a_failure_leaves_nothing(model, tmp_path):
    def fail(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.build(model, IDS, TEXTS, cache=tmp_path, batch_size=6, progress=fail)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error_and_leaves_nothing(model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        index.build(model, IDS, TEXTS, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_documents_and_ids_must_agree(model, tmp_path):
    with pytest.raises(ValueError, match="got 0 documents and 0 doc_ids"):
        index.build(model, [], [], cache=tmp_path)
    with pytest.raises(ValueError, match="got 6 documents and 5 doc_ids"):
        index.build(model, IDS[:5], TEXTS, cache=tmp_path)
