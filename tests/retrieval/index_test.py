import dataclasses
import errno
import functools
import hashlib
import json
import os
import shutil

import jax
import numpy as np
import pytest

from optical_jax.data import sample
from optical_jax.models import fingerprint
from optical_jax.models.head import HeadConfig
from optical_jax.retrieval import compressed, encode, index, sharded_search
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
        hashed(storage="float32"),
        hashed(storage="int8"),
    ]
    assert len({hashed(), *others}) == 8
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


@pytest.fixture(scope="module")
def passages():
    """120 passages of the built-in sample."""
    made = sample.generate(
        pairs=8, triples=8, towns=4, persons=0, questions=8, dev_questions=4
    )
    return [f"{p.title} {p.text}" for p in made.passages[:120]]


def _recall(queries, exact, found):
    expected, kept = (
        sharded_search.search(queries, built.vectors, k=10).indices
        for built in (exact, found)
    )
    pairs = zip(expected, kept, strict=True)
    return float(np.mean([np.isin(a, b).mean() for a, b in pairs]))


@pytest.mark.parametrize(
    ("storage", "size", "least"),
    [
        ("float16", 32, 1.0),
        ("int8", 20, 0.9),
        ("residual-4", 10, 0.85),
        ("residual-2", 6, 0.7),
    ],
)
def test_compressed_vectors_keep_most_of_the_ranking(
    model, passages, encoded, storage, size, least
):
    """Bytes are those of a vector of width 16; a random encoder's vectors lie close."""
    ids = [f"d{i}" for i in range(len(passages))]
    found = index.build(
        model, ids, passages, cache=encoded.folder.parent, storage=storage
    )
    queries = encode.encode_queries(model, [text[:40] for text in passages[::6]])
    recall = _recall(queries, encoded, found)
    assert least <= recall <= 1
    names = compressed.names(storage)
    files = [found.folder / "000000" / f"{name}.npy" for name in names]
    count = len(found.vectors.vectors)
    # Each file has a header of 128 bytes.
    on_disk = sum(file.stat().st_size - 128 for file in files)
    assert on_disk == size * count
    np.testing.assert_array_equal(found.vectors.offsets, encoded.vectors.offsets)
    np.testing.assert_array_equal(found.vectors.token_ids, encoded.vectors.token_ids)


@pytest.fixture(scope="module")
def encoded(model, passages, tmp_path_factory):
    """Their index in float16."""
    cache = tmp_path_factory.mktemp("passages")
    return index.build(model, [f"d{i}" for i in range(120)], passages, cache=cache)


@pytest.mark.parametrize("storage", ["int8", "residual-4"])
def test_compressed_shards_are_the_same_however_they_are_made(model, tmp_path, storage):
    """By one device, by two, after a kill, and of an index in float16 that is there."""
    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((2,), ("data",), axis_types=auto)
    options = {"batch_size": 2, "shard": 4, "storage": storage}
    build = functools.partial(index.build, model, IDS, SHORT, **options)
    one = build(cache=tmp_path / "one")
    two = build(cache=tmp_path / "two", mesh=mesh)

    def killed(done, total):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(cache=tmp_path / "killed", progress=killed)
    # As kill -9 leaves it, in the middle of a shard.
    (half,) = (tmp_path / "killed").iterdir()
    (half / ".000001.1.tmp").mkdir()
    (half / ".000001.1.tmp" / "steps.npy").touch()
    after = build(cache=tmp_path / "killed")
    shutil.rmtree(half / ".000001.1.tmp")
    index.load(half)
    index.build(model, IDS, SHORT, cache=tmp_path / "have", batch_size=2, shard=4)
    calls = []
    have = build(cache=tmp_path / "have", progress=lambda *n: calls.append(n))
    assert calls == [(4, 6), (6, 6)]  # a shard at once: nothing was encoded
    files = sorted(p.relative_to(one.folder) for p in one.folder.rglob("*.*"))
    assert len(files) == 2 * 4 + 3 + 3 * (storage != "int8")
    for other in (two, after, have):
        for file in files:
            assert (one.folder / file).read_bytes() == (
                other.folder / file
            ).read_bytes()
    expected = encode.encode_documents(model, SHORT, batch_size=2)
    for i in (0, 1, 2, 3, 5):
        assert np.abs(one.vectors[i] - expected[i]).mean() < 0.1


@pytest.mark.parametrize("name", ["codec/centroids.npy", "000000/residuals.npy"])
def test_a_truncated_file_of_a_compressed_index_is_refused(model, tmp_path, name):
    built = index.build(model, IDS, SHORT, cache=tmp_path, storage="residual-2")
    path = built.folder / name
    size = path.stat().st_size
    os.truncate(path, size - 1)
    message = f"{name} must have {size} bytes, got {size - 1}: it is truncated"
    with pytest.raises(ValueError, match=message):
        index.build(model, IDS, SHORT, cache=tmp_path, storage="residual-2")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing; delete"):
        index.load(built.folder)


def test_a_storage_that_does_not_fit_is_refused_before_anything_is_encoded(tmp_path):
    narrow = tiny.make(dataclasses.replace(tiny.COLBERT, projection=6))
    with pytest.raises(ValueError, match="got 2 bits and width 6"):
        index.build(narrow, IDS, SHORT, cache=tmp_path, storage="residual-2")
    assert not list(tmp_path.iterdir())


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
    with pytest.raises(ValueError, match="must have format 1, 2, 3, got 99"):
        index.load(built.folder)


def test_a_full_disk_is_an_error_and_leaves_no_shard(model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="no space left on the disk .*000000"):
        index.build(model, IDS, TEXTS, cache=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert not list(folder.iterdir())


def test_documents_and_ids_must_agree(model, tmp_path):
    with pytest.raises(ValueError, match="got 0 documents and 0 doc_ids"):
        index.build(model, [], [], cache=tmp_path)
    with pytest.raises(ValueError, match="got 6 documents and 5 doc_ids"):
        index.build(model, IDS[:5], TEXTS, cache=tmp_path)
