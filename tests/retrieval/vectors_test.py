import numpy as np
import pytest

from optical_jax.retrieval import vectors

LENGTHS = [3, 0, 4, 1]


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Eight rows in four files, and the same in memory; two files are open at most."""
    monkeypatch.setattr(vectors, "_OPEN", 2)
    whole = np.arange(16, dtype=np.float16).reshape(8, 2)
    parts = np.split(whole, np.cumsum(LENGTHS)[:-1])
    files = [tmp_path / f"{i}.npy" for i in range(4)]
    for file, part in zip(files, parts, strict=True):
        np.save(file, part)
    return vectors.of_files(files, LENGTHS), whole


def test_every_slice_and_every_choice_is_as_in_memory(rows):
    found, whole = rows
    assert (found.shape, found.dtype, len(found)) == ((8, 2), np.float16, 8)
    for start in range(9):
        for stop in range(9):
            np.testing.assert_array_equal(found[start:stop], whole[start:stop])
    np.testing.assert_array_equal(found[::-3], whole[::-3])
    for chosen in ([7, 0, 3, 3, 2], np.arange(8), np.array([], int)):
        np.testing.assert_array_equal(found[chosen], whole[chosen])
    np.testing.assert_array_equal(np.asarray(found), whole)
    with pytest.raises(IndexError, match="from 0 to 7"):
        found[[8]]


def test_what_lies_in_one_file_is_mapped_and_not_copied(rows):
    found, _ = rows
    assert isinstance(found[3:7], np.memmap)
    assert not isinstance(found[2:4], np.memmap)


def test_one_file_is_an_array(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    assert isinstance(vectors.of_files([tmp_path / "a.npy"], [2]), np.memmap)


def test_parts_of_texts_are_texts(rows):
    found, whole = rows
    texts = vectors.TokenVectors(found, np.array([0, 2, 3, 7, 8]), np.arange(8))
    part = texts.part(1, 3)
    assert len(part) == 2
    np.testing.assert_array_equal(part[1], whole[3:7])
    np.testing.assert_array_equal(part.token_ids, np.arange(2, 7))
