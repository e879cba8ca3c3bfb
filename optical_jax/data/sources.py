"""Read parallel sentences from the formats they are published in.

What is read here is not yet cleaned: a pair may have an empty side, and
`optical_jax.data.clean` counts it.
"""

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from optical_jax.data import dictionary_files, jsontext, textfile, tmx, zefania

_DICTIONARIES = ("muse", "gatitos", "tei")


class Pair(NamedTuple):
    """A sentence in the teacher's language (source) and in the student's (target)."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class BitextSource:
    """Name files of parallel sentences and say how to read them.

    File names are relative to the data root. They may be gzip, or lie in a zip archive:
    `archive.zip` when it holds one file, else `archive.zip/member`.
    """

    # Names the source in reports, and the origin of each of its pairs.
    name: str
    # "moses": two files with one sentence a line, the same number of lines; "tsv": one
    # file with two of its columns; "tmx": one translation memory; "zefania": two Bibles
    # in Zefania XML, joined verse by verse; "jsonl": a file with an object a line;
    # "muse", "gatitos", "tei": dictionaries, see `dictionary_files`.
    format: Literal["moses", "tsv", "jsonl", "muse", "gatitos", "tei", "tmx", "zefania"]
    # The file in the teacher's language, or the only one.
    source: str
    # The file in the student's language ("moses" and "zefania").
    target: str = ""
    # How often its pairs are drawn, relative to the other sources'.
    weight: float = 1.0
    # Which columns hold source and target, counted from 0 ("tsv").
    columns: tuple[int, int] = (0, 1)
    # Whether the first line names the columns ("tsv").
    header: bool = False
    # Whether fields are quoted as in CSV: "He said ""no""." ("tsv").
    quoted: bool = False
    # Which fields hold source and target ("jsonl").
    keys: tuple[str, str] = ("source", "target")
    # Whether the words of a dictionary are translated into the teacher's language.
    reverse: bool = False
    # Languages as BCP-47 codes; "sw" also finds "sw-KE" ("tmx").
    source_language: str = "en"
    target_language: str = ""

    def __post_init__(self) -> None:
        """Check that the fields the format needs are there."""
        where = f"bitext source {self.name!r}"
        if not self.name or "/" in self.name:
            raise ValueError(f"{where}: a name is not empty and has no '/'")
        if self.format in ("moses", "zefania") and not self.target:
            raise ValueError(f"{where}: format {self.format!r} needs a target file")
        if self.format not in ("moses", "zefania") and self.target:
            raise ValueError(
                f"{where}: format {self.format!r} reads one file, but target is "
                f"{self.target!r}; leave it empty"
            )
        if self.reverse and self.format not in _DICTIONARIES:
            raise ValueError(
                f"{where}: reverse is for the dictionaries {', '.join(_DICTIONARIES)}, got "
                f"format {self.format!r}; swap its files, columns, keys or languages"
            )
        if self.format == "tmx" and not self.target_language:
            raise ValueError(f"{where}: format 'tmx' needs a target_language")
        if min(self.columns) < 0 or self.columns[0] == self.columns[1]:
            raise ValueError(
                f"{where}: columns must be two different numbers counted from 0, "
                f"got {self.columns}"
            )
        if not self.weight > 0:
            raise ValueError(f"{where}: weight must be positive, got {self.weight}")

    def files(self, *, root: Path) -> list[Path]:
        """Return the paths of the one or two files."""
        return [root / name for name in (self.source, self.target) if name]


def read(source: BitextSource, *, root: Path) -> list[Pair]:
    """Read every pair of a source, NFC-normalised, in the order of the file.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is empty or damaged, the two files have different numbers of
            lines, a column or a language is not there.
    """
    files = source.files(root=root)
    if source.format == "moses":
        pairs = _read_moses(*files)
    elif source.format == "tsv":
        pairs = _read_tsv(files[0], source)
    elif source.format == "jsonl":
        pairs = _read_jsonl(files[0], source.keys)
    elif source.format in _DICTIONARIES:
        rows = dictionary_files.read(files[0], source.format)
        pairs = (row[::-1] for row in rows) if source.reverse else rows
    elif source.format == "tmx":
        languages = (source.source_language, source.target_language)
        pairs = tmx.read(files[0], languages=languages)
    else:
        pairs = zefania.read(*files)
    normalized = [Pair(*map(textfile.normalize, pair)) for pair in pairs]
    if not normalized:
        names = " and ".join(str(file) for file in files)
        raise ValueError(
            f"bitext source {source.name!r} is empty: {names} hold no pair; remove the "
            "source or fetch its files again"
        )
    return normalized


def _read_moses(source: Path, target: Path) -> list[tuple[str, str]]:
    lines = list(itertools.zip_longest(*map(textfile.read_lines, (source, target))))
    counts = [sum(line[side] is not None for line in lines) for side in (0, 1)]
    if counts[0] != counts[1]:
        raise ValueError(
            f"{source} has {counts[0]} lines but {target} has {counts[1]}; the n-th "
            "lines of both must translate each other, so the numbers must be equal"
        )
    return lines


def _read_tsv(path: Path, source: BitextSource) -> Iterator[tuple[str, str]]:
    rows = _rows(path, quoted=source.quoted)
    if source.header:
        next(rows, None)
    for number, row in enumerate(rows):
        if number == 0 and len(row) <= max(source.columns):
            raise ValueError(
                f"{path} has {len(row)} tab-separated columns, but columns "
                f"{source.columns} (counted from 0) were asked for"
            )
        # A later short row is a pair with an empty side, which cleaning counts.
        cells = [row[c] if c < len(row) else "" for c in source.columns]
        yield cells[0], cells[1]


def _read_jsonl(path: Path, keys: tuple[str, str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(textfile.read_lines(path), start=1):
        if not line:
            continue
        try:
            row = jsontext.loads(line)
            source, target = (row[key] for key in keys)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number} is no JSON object with the fields {keys[0]!r} and "
                f"{keys[1]!r} ({error}); name the file's own fields by keys"
            ) from error
        if not (isinstance(source, str) and isinstance(target, str)):
            raise ValueError(
                f"{path}, line {number}: {keys[0]!r} and {keys[1]!r} must be texts, got "
                f"{source!r} and {target!r}"
            )
        yield source, target


def _rows(path: Path, *, quoted: bool) -> Iterator[list[str]]:
    lines = textfile.read_lines(path)
    if not quoted:
        yield from (line.split("\t") for line in lines if line)
        return
    reader = csv.reader((line + "\n" for line in lines), delimiter="\t", strict=True)
    try:
        yield from (row for row in reader if row)
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num}: not quoted as CSV ({error}); "
            "if its quotation marks are text, set quoted to False"
        ) from error
