"""A lexicon as text: words, translation, probability and context, apart by tabs.

A file that a person can read, mend and give to another run.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from optical_jax.data import staging, textfile

# Where the words stand: anywhere, in a question, capitalised inside a sentence.
CONTEXTS = ("any", "question", "name")
_HEADER = "words\ttranslation\tprobability\tcontext"


class Row(NamedTuple):
    """One translation of one entry; empty: the words are left out in translation."""

    words: str
    translation: str
    probability: float
    context: str


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write a lexicon; the file appears only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with staging.file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(_HEADER + "\n")
        for words, translation, probability, context in rows:
            file.write(f"{words}\t{translation}\t{probability:.4g}\t{context}\n")


def read(path: Path) -> Iterator[Row]:
    """Yield the rows of a lexicon.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It has no such header, or a line is no such row.
    """
    lines = textfile.read_lines(path)
    if next(lines, "") != _HEADER:
        raise ValueError(
            f"{path} is no lexicon: its first line must be {_HEADER!r}; "
            "a plain list of two columns is format 'tsv'"
        )
    for number, line in enumerate(lines, start=2):
        yield _row(line, f"{path}, line {number}")


def _row(line: str, where: str) -> Row:
    cells = line.split("\t")
    try:
        words, translation, probability, context = cells
        row = Row(words, translation, float(probability), context)
    except ValueError as error:
        raise ValueError(
            f"{where}: expected {_HEADER!r}, got {line[:60]!r} ({error})"
        ) from error
    if not 0 < row.probability <= 1 or row.context not in CONTEXTS:
        raise ValueError(
            f"{where}: a probability is above 0 and at most 1, a context one of "
            f"{CONTEXTS}; got {row.probability} and {row.context!r}"
        )
    return row
