import gzip
import zipfile
from pathlib import Path

import pytest

from optical_jax.data import textfile


def test_only_newlines_end_a_line(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("\ufeffone\u2028still one\r\ntwo\x0bstill two\n".encode())
    assert list(textfile.read_lines(file)) == ["one\u2028still one", "two\x0bstill two"]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.zip", "b.zip/in/a.txt"])
def test_reads_plain_and_packed_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").write_text("jua\n")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"jua\n"))
    for archive, members in (("a.zip", ["a.txt"]), ("b.zip", ["in/a.txt", "in/b.txt"])):
        with zipfile.ZipFile(tmp_path / archive, "w") as opened:
            for member in members:
                opened.writestr(member, "jua\n")
    assert list(textfile.read_lines(tmp_path / name)) == ["jua"]


def test_archive_of_several_files_lists_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as opened:
        opened.writestr("x.en", "")
        opened.writestr("x.sw", "")
    with pytest.raises(FileNotFoundError, match=r"no single file.*'x.en', 'x.sw'"):
        textfile.open_binary(tmp_path / "b.zip")
    with pytest.raises(FileNotFoundError, match=r"no 'x.so'.*'x.en', 'x.sw'"):
        textfile.open_binary(tmp_path / "b.zip" / "x.so")


def test_missing_file_and_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing.txt does not exist"):
        textfile.open_binary(tmp_path / "nothing.txt")
    with pytest.raises(FileNotFoundError, match="is a directory"):
        textfile.open_binary(tmp_path)


def test_other_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.txt"
    file.write_bytes(b"plain\ncaf\xe9\n")
    with pytest.raises(ValueError, match=r"latin.txt is not UTF-8.*iconv"):
        list(textfile.read_lines(file))


def test_truncated_gzip_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cut.gz"
    file.write_bytes(gzip.compress(b"jua kali\n" * 1000)[:-12])
    with pytest.raises(ValueError, match="cut.gz is damaged"):
        list(textfile.read_lines(file))


def test_normalize() -> None:
    assert textfile.normalize("\ufeff e\u0301 \t a\u00a0b\x00 ") == "é a b"
    assert textfile.normalize("R&amp;D &#62; AT&T &copy it") == "R&D > AT&T &copy it"


def test_match_key_keeps_letters_marks_and_digits_of_any_script() -> None:
    assert textfile.match_key("“Habari, DUNIA!” 12") == "habari dunia 12"
    assert textfile.match_key("मराठी।") == "मराठी"
    assert textfile.match_key("* … *") == ""
