import json
from pathlib import Path

import numpy as np
import pytest

from optical_jax.retrieval import plaid, search
from optical_jax.retrieval.encode import TokenVectors


def texts(
    rng: np.random.Generator, lengths: list[int], width: int = 16
) -> TokenVectors:
    """Texts whose vectors cluster, as those of words do."""
    total = sum(lengths)
    words = rng.standard_normal((40, width))
    rows = words[rng.integers(0, 40, total)] + 0.3 * rng.standard_normal((total, width))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TokenVectors(rows, offsets, np.zeros(total, np.int32))


@pytest.fixture(scope="module")
def documents() -> TokenVectors:
    rng = np.random.default_rng(0)
    return texts(rng, list(rng.integers(1, 12, 60)))


@pytest.fixture(scope="module")
def written(
    documents: TokenVectors, tmp_path_factory: pytest.TempPathFactory
) -> plaid.Plaid:
    path = tmp_path_factory.mktemp("plaid") / "index"
    return plaid.write(documents, path, bits=4, chunk=100)


def test_files_are_fast_plaids(written: plaid.Plaid, documents: TokenVectors) -> None:
    chunks = len(written.chunks)
    assert chunks > 2
    names = {path.name for path in written.folder.iterdir()}
    of_chunk = ("codes.npy", "residuals.npy", "metadata.json")
    assert names == {
        "centroids.npy",
        "bucket_cutoffs.npy",
        "bucket_weights.npy",
        "avg_residual.npy",
        "cluster_threshold.npy",
        "ivf.npy",
        "ivf_lengths.npy",
        "plan.json",
        "metadata.json",
        *(f"{i}.{name}" for i in range(chunks) for name in of_chunk),
        *(f"doclens.{i}.json" for i in range(chunks)),
    }
    dtypes = {
        "centroids": "float16",
        "bucket_cutoffs": "float32",
        "bucket_weights": "float32",
        "avg_residual": "float32",
        "cluster_threshold": "float32",
        "0.codes": "int64",
        "0.residuals": "uint8",
        "ivf": "int64",
        "ivf_lengths": "int32",
    }
    for name, dtype in dtypes.items():
        array = np.load(written.folder / f"{name}.npy", allow_pickle=False)
        assert array.dtype == dtype, name
    stated = json.loads((written.folder / "metadata.json").read_text())
    total = int(documents.offsets[-1])
    assert stated == {
        "num_chunks": chunks,
        "nbits": 4,
        "num_partitions": len(written.codec.centroids),
        "num_embeddings": total,
        "avg_doclen": total / 60,
        "num_documents": 60,
        "compress_only": False,
    }
    # 2^floor(log2(16 sqrt(n))), but no more than there are vectors.
    assert stated["num_partitions"] == 256
    offsets = [
        json.loads((written.folder / f"{i}.metadata.json").read_text())
        for i in range(chunks)
    ]
    assert offsets[1]["embedding_offset"] == offsets[0]["num_embeddings"]
    assert sum(o["num_documents"] for o in offsets) == 60


def test_lists_name_each_document_of_a_centroid_once(
    written: plaid.Plaid, documents: TokenVectors
) -> None:
    lists = np.load(written.folder / "ivf.npy")
    lengths = np.load(written.folder / "ivf_lengths.npy")
    codes = np.concatenate(
        [np.load(written.folder / f"{i}.codes.npy") for i in range(len(written.chunks))]
    )
    owner = np.repeat(np.arange(len(documents)), documents.lengths)
    parts = np.split(lists, np.cumsum(lengths)[:-1])
    assert len(parts) == len(written.codec.centroids)
    for centroid, part in enumerate(parts):
        assert part.tolist() == sorted(set(owner[codes == centroid]))


def test_vectors_read_back_are_close(
    written: plaid.Plaid, documents: TokenVectors
) -> None:
    parts = list(plaid.decompressed(written))
    rows = np.concatenate([part.vectors for part in parts])
    assert (rows * documents.vectors).sum(axis=1).min() > 0.98
    lengths = np.concatenate([part.lengths for part in parts])
    np.testing.assert_array_equal(lengths, documents.lengths)


def test_search_is_that_of_the_vectors_in_one_piece(
    written: plaid.Plaid, documents: TokenVectors, rng: np.random.Generator
) -> None:
    queries = texts(rng, [3, 5, 4])
    found = plaid.search(queries, written, k=10)
    rows = np.concatenate([part.vectors for part in plaid.decompressed(written)])
    whole = TokenVectors(rows, documents.offsets, documents.token_ids)
    wanted = search.search(queries, whole, k=10)
    np.testing.assert_array_equal(found.indices, wanted.indices)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)


def test_search_for_more_than_there_is(
    written: plaid.Plaid, rng: np.random.Generator
) -> None:
    found = plaid.search(texts(rng, [2]), written, k=100)
    assert sorted(found.indices[0]) == list(range(60))


def test_half_precision_from_disk_gives_the_same_files(
    documents: TokenVectors, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", documents.vectors.astype(np.float16))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    halves = TokenVectors(mapped, documents.offsets, documents.token_ids)
    one = plaid.write(halves, tmp_path / "one", bits=2)
    other = plaid.write(halves, tmp_path / "other", bits=2, chunk=50)
    assert len(one.chunks) == 1
    np.testing.assert_array_equal(
        np.load(one.folder / "ivf.npy"), np.load(other.folder / "ivf.npy")
    )
    pair = (
        np.concatenate([p.vectors for p in plaid.decompressed(x)]) for x in (one, other)
    )
    np.testing.assert_array_equal(*pair)


def test_very_small_collections(tmp_path: Path, rng: np.random.Generator) -> None:
    one = texts(rng, [1])
    made = plaid.write(one, tmp_path / "one", bits=1)
    assert plaid.search(one, made, k=10).indices.tolist() == [[0]]


def test_progress_comes_to_its_end(documents: TokenVectors, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    plaid.write(
        documents, tmp_path / "x", progress=lambda *a: told.append(a), chunk=100
    )
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == list(range(1, len(told) + 1))


def test_refused(documents: TokenVectors, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nbits must be 1, 2 or 4"):
        plaid.write(documents, tmp_path / "x", bits=3)
    none = TokenVectors(documents.vectors[:0], np.zeros(2, np.int64), np.zeros(0))
    with pytest.raises(ValueError, match="got 1 documents, 1 of them without"):
        plaid.write(none, tmp_path / "x")
    with pytest.raises(FileNotFoundError, match="is no PLAID index"):
        plaid.load(tmp_path)


def test_damaged(documents: TokenVectors, tmp_path: Path) -> None:
    made = plaid.write(documents, tmp_path / "x", chunk=100)
    (made.folder / "doclens.1.json").write_text("[3]")
    with pytest.raises(ValueError, match="metadata.json states 60 documents"):
        plaid.load(made.folder)
    (made.folder / "centroids.npy").unlink()
    with pytest.raises(FileNotFoundError, match="centroids.npy is missing; write"):
        plaid.load(made.folder)
