import dataclasses
import errno
import hashlib
import json
import os

import jax
import numpy as np
import pytest

from optical_jax.models import fingerprint
from optical_jax.models.head import HeadConfig
from optical_jax.retrieval import encode, index
from tests.models import tiny

TEXTS = tiny.TEXTS[:6]
IDS = [f"d{i}" for i in range(6)]
# Of one padded length: one program a device.
SHORT = ["habari dunia", "the book", "who", "word the dunia", "", "book who"]


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
    path = built.folder / "000000" / "vectors.npy"
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


def test_the_hash_is_of_one_json_object(model):
    """Written out by hand, as indexes of format 1 are named."""
    neutral = tiny.with_head(model, query_length=HeadConfig().query_length)
    whole = {
        "format": 1,
        "dtype": "float16",
        "retriever": fingerprint.of(neutral),
        "documents": [["d0", 'a "quoted"\nwörd'], ["d1", ""]],
    }
    expected = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    assert index.content_hash(model, *zip(*whole["documents"], strict=True)) == expected


def test_an_index_of_format_1_is_read_as_it_is(model, tmp_path):
    vectors = encode.encode_documents(model, TEXTS[:3], batch_size=6)
    digest = index.content_hash(model, IDS[:3], TEXTS[:3])
    folder = tmp_path / f"index-{digest[:20]}"
    folder.mkdir()
    arrays = {
        "vectors": vectors.vectors.astype(np.float16),
        "offsets": vectors.offsets,
        "token_ids": vectors.token_ids,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "doc_ids.json").write_text(json.dumps(IDS[:3]))
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    (folder / "metadata.json").write_text(json.dumps({"format": 1, "bytes": sizes}))
    found = index.build(model, IDS[:3], TEXTS[:3], cache=tmp_path)
    assert found.folder == folder
    np.testing.assert_array_equal(
        found.vectors[2], arrays["vectors"][-len(found.vectors[2]) :]
    )
    assert found.doc_ids == IDS[:3]


def test_shards_are_one_corpus_the_same_on_any_number_of_devices(model, tmp_path):
    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((2,), ("data",), axis_types=auto)
    one, two = (
        index.build(
            model, IDS, SHORT, cache=tmp_path / name, batch_size=2, shard=4, mesh=given
        )
        for name, given in (("one", None), ("two", mesh))
    )
    files = sorted(p.relative_to(one.folder) for p in one.folder.rglob("*.*"))
    assert len(files) == 2 * 3 + 3
    for file in files:
        assert (one.folder / file).read_bytes() == (two.folder / file).read_bytes()
    expected = encode.encode_documents(model, SHORT, batch_size=2)
    np.testing.assert_array_equal(one.vectors.offsets, expected.offsets)
    np.testing.assert_array_equal(one.vectors.token_ids, expected.token_ids)
    for i in range(6):
        np.testing.assert_allclose(one.vectors[i], expected[i], atol=1e-3)
    np.testing.assert_array_equal(
        np.asarray(one.vectors.vectors)[5:9], one.vectors.vectors[5:9]
    )


def test_a_run_that_was_killed_goes_on_with_the_missing_shards(model, tmp_path):
    def killed(done, total):
        if done == 4:
            raise KeyboardInterrupt

    shards = {"cache": tmp_path, "batch_size": 2, "shard": 2}
    with pytest.raises(KeyboardInterrupt):
        index.build(model, IDS, SHORT, progress=killed, **shards)
    (folder,) = tmp_path.iterdir()
    assert [path.name for path in folder.iterdir()] == ["000000"]
    with pytest.raises(FileNotFoundError, match="is not an index"):
        index.load(folder)
    written = (folder / "000000" / "vectors.npy").stat().st_mtime_ns
    calls = []
    found = index.build(
        model, IDS, SHORT, progress=lambda *n: calls.append(n), **shards
    )
    assert calls == [(2, 4), (4, 4)]
    assert (folder / "000000" / "vectors.npy").stat().st_mtime_ns == written
    straight = index.build(model, IDS, SHORT, **{**shards, "cache": tmp_path / "other"})
    np.testing.assert_array_equal(found.vectors.vectors[:], straight.vectors.vectors[:])


def test_documents_are_held_a_shard_at_a_time(model, tmp_path):
    class Watched(list):
        def __getitem__(self, key):
            found = super().__getitem__(key)
            asked.append(len(found) if isinstance(key, slice) else 1)
            return found

    asked = []
    index.build(model, IDS, Watched(SHORT), cache=tmp_path, batch_size=2, shard=2)
    # Others look at single ones, the hash and the type checks of the tests.
    assert [n for n in asked if n > 1] == [2, 2, 2]


def test_another_format_is_refused(built):
    path = built.folder / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(ValueError, match="must have format 1 or 2, got 99"):
        index.load(built.folder)


def test_a_full_disk_is_an_error_and_leaves_no_shard(model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        index.build(model, IDS, TEXTS, cache=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert not list(folder.iterdir())


def test_documents_and_ids_must_agree(model, tmp_path):
    with pytest.raises(ValueError, match="got 0 documents and 0 doc_ids"):
        index.build(model, [], [], cache=tmp_path)
    with pytest.raises(ValueError, match="got 6 documents and 5 doc_ids"):
        index.build(model, IDS[:5], TEXTS, cache=tmp_path)
