"""Texts of one language from a file: lines, a column, a field of JSON lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from optical_jax.data import jsontext, textfile

# A blank after the end of a sentence; none where the script has none.
_SENTENCE = re.compile(r"(?<=[.!?।؟])\s+|(?<=[。！？])")


@dataclass(frozen=True, kw_only=True)
class TextSource:
    """Name a file of texts, such as questions, and say how to read it.

    It may be gzip, or lie in a zip archive.
    """

    # The file, relative to the data root.
    path: str
    # "lines": a text a line; "tsv": a column of lines with tabs; "jsonl": a field of a
    # JSON object a line, such as the `corpus.jsonl` of a BEIR folder.
    format: Literal["lines", "tsv", "jsonl"] = "lines"
    # Which column, counted from 0 ("tsv").
    column: int = 0
    # Which field ("jsonl"): "text", or "title".
    field: str = "text"
    # Whether an object with a title has it before that field ("jsonl").
    titles: bool = False
    # Whether to cut the texts into sentences.
    sentences: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.path:
            raise ValueError("a file of texts needs a path, got an empty one")
        if self.column < 0:
            raise ValueError(f"column is counted from 0, got {self.column}")


def read(source: TextSource, *, root: Path) -> list[str]:
    """Read the texts of a file, NFC-normalised, each once, without empty ones.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: A line is not what the format says, or there is no text.
    """
    path = root / source.path
    texts = map(textfile.normalize, stream(source, root=root))
    if source.sentences:
        texts = (part for text in texts for part in _SENTENCE.split(text))
    found = list(dict.fromkeys(text for text in texts if text))
    if not found:
        raise ValueError(f"{path} holds no text; fetch it again or leave it out")
    return found


def stream(source: TextSource, *, root: Path) -> Iterator[str]:
    """Yield the texts of a file as they stand in it, without holding them.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: A line is not what the format says.
    """
    path = root / source.path
    for number, line in enumerate(textfile.read_lines(path), start=1):
        if source.format == "lines":
            yield line
        elif line.strip():
            yield _cell(line, source, f"{path}, line {number}")


def _cell(line: str, source: TextSource, where: str) -> str:
    try:
        if source.format == "tsv":
            return line.split("\t")[source.column]
        row = jsontext.loads(line)
        text, title = row[source.field], ""
        if source.titles:
            title = row.get("title") or ""
    except (IndexError, ValueError, KeyError, TypeError) as error:
        wanted = (
            f"a column {source.column} (counted from 0)"
            if source.format == "tsv"
            else f"a JSON object with {source.field!r}"
        )
        raise ValueError(f"{where}: expected {wanted}, got {line[:60]!r}") from error
    if not isinstance(text, str):
        raise ValueError(f"{where}: {source.field!r} must be a text, got {text!r}")
    return f"{title} {text}" if title else text
