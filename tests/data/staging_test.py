import errno

import numpy as np
import pytest

from optical_jax.data import staging


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def fail():
        with staging.folder(tmp_path / "a") as made:
            (made / "part").write_text("x")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert not list(tmp_path.iterdir())
    with staging.folder(tmp_path / "a") as made:
        (made / "part").write_text("x")
        assert not (tmp_path / "a").exists()
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "part"]


def test_the_folder_of_the_first_process_stays(tmp_path):
    def second(*, shared):
        with staging.folder(tmp_path / "a", shared=shared) as made:
            (made / "part").write_text("x")
            (tmp_path / "a").mkdir(exist_ok=True)
            (tmp_path / "a" / "other").write_text("y")

    second(shared=True)
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "other"]
    with pytest.raises(OSError, match="not empty"):
        second(shared=False)
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "other"]


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    def fail():
        with staging.file(tmp_path / "a") as made:
            made.write_text("half")
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail()
    assert not list(tmp_path.iterdir())
    (tmp_path / "a").write_text("before")
    with pytest.raises(ValueError, match="no more"):
        fail()
    with staging.file(tmp_path / "a") as made:
        made.write_text("after")
        assert (tmp_path / "a").read_text() == "before"
    assert (tmp_path / "a").read_text() == "after"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "device"), RuntimeError("write(): No space left on device")],
)
def test_a_full_disk_is_explained(error):
    with (
        pytest.raises(OSError, match="free some") as info,
        staging.full_disk_explained("free some"),
    ):
        raise error
    assert info.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="busy"), staging.full_disk_explained("free some"):
        raise OSError(errno.EBUSY, "busy")


def test_an_array_replaces_the_one_before(tmp_path):
    for n in (3, 5):
        staging.save_array(tmp_path / "a.npy", np.arange(n))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2, 3, 4]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_named_by_what_was_written(tmp_path):
    def write(path):
        with staging.file(path), open("/dev/full", "w") as full:
            full.write("x")

    with pytest.raises(OSError, match=f"while writing {tmp_path / 'a'};"):
        write(tmp_path / "a")


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path):
    with staging.folder(tmp_path / "kept") as made:
        left = made
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    (tmp_path / left.name.replace("kept", "vectors.npy")).write_bytes(b"half")
    others = {"kept", "notes.tmp", ".hidden", "8.orbax-checkpoint-tmp"}
    for name in others:
        (tmp_path / name).mkdir(exist_ok=True)
    staging.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == others
