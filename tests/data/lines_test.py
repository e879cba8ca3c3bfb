import gzip
import os
import zipfile

import pytest

from optical_jax.data import lines

_CONTENT = "\ufeffone 1\r\n\n  \nዓለም 2\nthree 3"


def _parse(line, where):
    name, _, number = line.rpartition(" ")
    if not number.isdigit():
        raise ValueError(f"{where}: no number in {line!r}")
    return name.encode(), int(number)


def _index(path, cache, parse=_parse):
    return lines.index(
        path, cache=cache, kind="test", columns=("name", "number"), parse=parse
    )


def _plain(folder):
    path = folder / "plain"
    path.write_bytes(_CONTENT.encode())
    return path


def _gzip(folder):
    path = folder / "packed.gz"
    path.write_bytes(gzip.compress(_CONTENT.encode()))
    return path


def _zip(folder):
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("inner/file", _CONTENT)
        archive.writestr("other", "x")
    return folder / "a.zip" / "inner" / "file"


@pytest.mark.parametrize("make", [_plain, _gzip, _zip])
@pytest.mark.parametrize("chunk", [1, 1 << 18])
def test_lines_by_number_and_what_was_read_off_them(tmp_path, make, chunk, monkeypatch):
    monkeypatch.setattr(lines, "_CHUNK", chunk)
    found = _index(make(tmp_path), tmp_path / "cache")
    assert [found.read(i) for i in range(len(found))] == ["one 1", "ዓለም 2", "three 3"]
    assert [b.decode() for b in found.columns["name"]] == ["one", "ዓለም", "three"]
    assert found.columns["number"].tolist() == [1, 2, 3]


def test_a_file_is_read_once_until_it_changes(tmp_path):
    path, cache = _plain(tmp_path), tmp_path / "cache"
    _index(path, cache)

    def never(line, where):
        raise AssertionError(where)

    assert len(_index(path, cache, never)) == 3
    path.write_text("four 4\n")
    os.utime(path, ns=(1, 1))
    assert _index(path, cache).read(0) == "four 4"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one 1\n\nbad\n", r"file, line 3: no number in 'bad'"),
        (b"one 1\n\xff 2\n", r"file, line 2 is not UTF-8"),
        (b"\n \n", r"file is empty; it must hold one entry a line"),
        (
            gzip.compress(b"one 1\n" * 99, mtime=0)[:-12],
            r"file is damaged .*; fetch it again",
        ),
    ],
)
def test_bad_files_are_named_and_leave_nothing(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        _index(path, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        _index(tmp_path / "none", tmp_path)
