"""Files of words and their translations, as publishers of dictionaries write them.

Rows come in the order of the file, as they are written; nothing is normalised.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from optical_jax.data import textfile, xmlfile

# "muse": a word and a translation a line, apart by blanks; "gatitos": English and a
# translation, apart by a tab; "tei": FreeDict's TEI XML; "tsv": two columns of one or
# more words.
Format = Literal["muse", "gatitos", "tei", "tsv"]


def read(path: Path, file_format: Format) -> Iterator[tuple[str, str]]:
    """Yield (word, translation) of every row, in the directions of the file.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: A line or an element is not what the format says.
    """
    readers = {"muse": _muse, "gatitos": _gatitos, "tsv": _tsv, "tei": _tei}
    return readers[file_format](path)


# What an editor says of a translation, not a part of it: "pike (verb)".
_REMARK = re.compile(r"(?<!\s)\s*[(\[][^()\[\]]*[)\]]")


def _muse(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(textfile.read_lines(path), start=1):
        cells = line.split()
        if cells and len(cells) != 2:
            raise ValueError(
                f"{path}, line {number}: expected a word and its translation, got "
                f"{line[:60]!r}; a file with tabs and several words is format 'tsv'"
            )
        if cells:
            yield cells[0], cells[1]


def _tsv(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(textfile.read_lines(path), start=1):
        cells = line.split("\t")
        if line.strip() and len(cells) < 2:
            raise ValueError(
                f"{path}, line {number}: expected two columns apart by a tab, got "
                f"{line[:60]!r}"
            )
        if line.strip() and cells[0].strip() and cells[1].strip():
            yield cells[0], cells[1]


def _gatitos(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the rows; a line of several translations has strokes between them."""
    for word, translations in _tsv(path):
        for translation in _REMARK.sub("", translations).split("/"):
            if translation.strip():
                yield _REMARK.sub("", word), translation


def _tei(path: Path) -> Iterator[tuple[str, str]]:
    """Yield headword and translation; older files list several in one definition."""
    for entry in xmlfile.elements(path, tag="entry"):
        found = [_text(e) for e in entry.iter("quote")]
        if not found:
            found = [
                part
                for e in entry.iter("def")
                for part in re.split("[,;]", _REMARK.sub("", _text(e)))
            ]
        for headword in entry.iter("orth"):
            yield from ((_text(headword), part) for part in found if part.strip())


def _text(element: object) -> str:
    return xmlfile.text_of(element, without=frozenset({"note"}))
