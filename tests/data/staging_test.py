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
        # Another process is first: what it wrote stays.
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "other").write_text("y")
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "other"]


def test_an_array_replaces_the_one_before(tmp_path):
    for n in (3, 5):
        staging.save_array(tmp_path / "a.npy", np.arange(n))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2, 3, 4]
    assert len(list(tmp_path.iterdir())) == 1
