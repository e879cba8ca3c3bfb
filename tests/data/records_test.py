import errno
import os
import pickle
from pathlib import Path

import pytest

from optical_jax.data import records

ROWS = [{"text": f"nambari {i} ü", "number": i - 5} for i in range(300)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    table = records.Table(
        columns={"text": str, "number": int},
        splits={"swa-test": ROWS, "all": ROWS[:1]},
        metadata={"origins": {"a": 300}},
    )
    records.write(tmp_path / "data", {"things": table})
    return tmp_path / "data"


def test_records_come_back_in_order_as_text(directory: Path) -> None:
    split = records.Split(directory, "things", "swa-test")
    assert len(split) == 300
    assert split[:] == ROWS
    assert split[-1] == ROWS[-1]
    assert split.__getitems__([7, 2]) == [ROWS[7], ROWS[2]]
    assert records.Split(directory, "things", "all")[0] == ROWS[0]
    assert records.metadata(directory, "things") == {"origins": {"a": 300}}
    with pytest.raises(IndexError):
        split[300]


def test_an_opened_split_travels_to_another_process(directory: Path) -> None:
    split = records.Split(directory, "things", "swa-test")
    assert split[3] == pickle.loads(pickle.dumps(split))[3]


def test_nothing_else_is_left(directory: Path) -> None:
    assert [p.name for p in directory.parent.iterdir()] == ["data"]
    assert [p.name for p in directory.iterdir()] == ["things"]


def test_writing_prints_nothing(directory: Path, capfd: pytest.CaptureFixture) -> None:
    table = records.Table(columns={"text": str}, splits={"a": [{"text": "x"}]})
    records.write(directory.parent / "quiet", {"t": table})
    assert capfd.readouterr() == ("", "")


# Half of this file is a block's end, where nothing but the count shows the cut.
@pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
def test_truncated_file_is_named_with_the_fix(directory: Path, part: float) -> None:
    file = next(directory.glob("things/*/things-swa_test.array_record*"))
    os.truncate(file, int(part * file.stat().st_size))
    message = rf"{file.name} is damaged or cut off .*delete the directory {directory}"
    with pytest.raises(ValueError, match=message):
        records.Split(directory, "things", "swa-test")[0]


def test_missing_file_is_damage_too(directory: Path) -> None:
    file = next(directory.glob("things/*/things-swa_test.array_record*"))
    file.unlink()
    with pytest.raises(ValueError, match=rf"{file.name} is damaged .*0 of 300 records"):
        len(records.Split(directory, "things", "swa-test"))


def test_overwritten_bytes_are_reported(directory: Path) -> None:
    file = next(directory.glob("things/*/things-swa_test.array_record*"))
    content = bytearray(file.read_bytes())
    content[1000:1400] = bytes(400)
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged .*delete the directory"):
        records.Split(directory, "things", "swa-test")[:]


def test_unknown_split_and_directory(directory: Path) -> None:
    with pytest.raises(
        ValueError, match=r"no split 'dev' of things; it has .*swa_test"
    ):
        len(records.Split(directory, "things", "dev"))
    with pytest.raises(FileNotFoundError, match="holds no prepared bitext"):
        records.metadata(directory, "bitext")


def test_similar_split_names_are_refused(tmp_path: Path) -> None:
    table = records.Table(columns={"x": int}, splits={"a-b": [], "a_b": []})
    with pytest.raises(
        ValueError, match=r"differ in punctuation alone: \['a-b', 'a_b'"
    ):
        records.write(tmp_path / "d", {"t": table})


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("write() failed: No space left on device; writing x"),
    ],
)
def test_full_disk_leaves_nothing_behind(tmp_path: Path, error: Exception) -> None:
    def rows():
        yield {"x": 1}
        raise error

    table = records.Table(columns={"x": int}, splits={"a": rows()})
    with pytest.raises(
        OSError, match=r"no space left .*data; nothing was kept"
    ) as info:
        records.write(tmp_path / "data", {"t": table})
    assert info.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_directory_written_meanwhile_is_kept(directory: Path) -> None:
    table = records.Table(columns={"x": int}, splits={"a": [{"x": 1}]})
    records.write(directory, {"things": table})
    assert records.Split(directory, "things", "swa-test")[0] == ROWS[0]
