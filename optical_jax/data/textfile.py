"""Open text as it is published (plain, gzip or in a zip), normalise it, write it whole."""

import contextlib
import gzip
import html
import io
import lzma
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from optical_jax.data import staging

# Characters; a gzip file of a few kilobytes may hold a line that fills the memory.
LONGEST_LINE = 1 << 24
# What reading a damaged file raises, packed or not.
DAMAGED = (EOFError, OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def open_binary(path: Path) -> io.BufferedIOBase:
    """Open a file for reading, unpacked if it is gzip or lies in a zip archive.

    A zip archive with one file is read as that file; `archive.zip/member.txt` names one
    of several.
    """
    archive = next((p for p in path.parents if p.suffix == ".zip"), None)
    if archive is not None and archive.is_file():
        return _open_member(archive, path.relative_to(archive).as_posix())
    if path.is_dir():
        raise FileNotFoundError(
            f"{path} is a directory, but a file is needed; name one of its files"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; check the path and its root")
    if zipfile.is_zipfile(path):
        return _open_member(path, None)
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return gzip.GzipFile(path) if is_gzip else path.open("rb")


def _open_member(archive: Path, member: str | None) -> io.BufferedIOBase:
    with _zip_explained(archive), zipfile.ZipFile(archive) as opened:
        names = [
            info.filename
            for info in opened.infolist()
            if not info.is_dir() and not info.filename.startswith("__MACOSX/")
        ]
        if member is None and len(names) == 1:
            member = names[0]
        if member not in names:
            wanted = "no single file" if member is None else f"no {member!r}"
            raise FileNotFoundError(
                f"{archive} holds {wanted}; name one of its files as "
                f"'{archive.name}/MEMBER', MEMBER being one of {names}"
            )
        # The member stays readable after its archive object is closed.
        return opened.open(member)


@contextlib.contextmanager
def _zip_explained(archive: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    # A RuntimeError asks for a password, a NotImplementedError is of a rare compression.
    except (*DAMAGED, RuntimeError, ValueError, struct.error) as error:
        raise ValueError(
            f"{archive} is a damaged zip archive, or packed in a way that is not read "
            f"({error}); fetch it again, or unpack it"
        ) from error


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 file without their ends.

    Only "\n" and "\r\n" end a line: Unicode's other line separators occur inside
    sentences, where splitting at them would shift one side of a bitext.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, not UTF-8, or has a line beyond LONGEST_LINE.
    """
    with open_binary(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n")
        number = 0
        try:
            for line in iter(lambda: text.readline(LONGEST_LINE), ""):
                number += 1
                if len(line) == LONGEST_LINE:
                    raise ValueError(
                        f"{path}, line {number} has {LONGEST_LINE} characters or more, "
                        "which is no line of text; fetch the file again"
                    )
                yield line.rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path} is not UTF-8 after line {number} ({error.reason}); convert it, "
                "for example with iconv -t UTF-8"
            ) from error
        except DAMAGED as error:
            raise ValueError(
                f"{path} is damaged after line {number} ({error}); fetch it again"
            ) from error


def write(path: Path, text: str) -> None:
    """Write a UTF-8 file, which appears, or changes, only when it is complete."""
    with staging.file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


class _Unseen(dict[int, str | None]):
    """Characters that are not part of the text: byte order marks, controls."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        if character == "\ufeff" or code == 0xFFFD:
            self[code] = None
        elif unicodedata.category(character) == "Cc":
            self[code] = " "
        else:
            self[code] = character
        return self[code]


_unseen = _Unseen()


# HTML escapes that a publisher left in the text; only with their semicolon, because
# "&copy" alone may be meant.
_ESCAPE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]+\d*);")


def normalize(text: str) -> str:
    """Return the text in NFC, unescaped, on one line, one blank for each run of them."""
    if "&" in text:
        text = _ESCAPE.sub(lambda match: html.unescape(match[0]), text)
    return " ".join(unicodedata.normalize("NFC", text.translate(_unseen)).split())


class _Letters(dict[int, str]):
    """Letters, their marks and digits stay; every other character becomes a blank."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = unicodedata.category(character)[0] in "LMN"
        self[code] = character if kept else " "
        return self[code]


_letters = _Letters()


def match_key(text: str) -> str:
    """Return what two texts share that differ only in case, punctuation and blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.translate(_letters).split())
