"""Training examples for retrieval: a query, a relevant document, hard negatives."""

import json
from pathlib import Path

import numpy as np


class TripleExamples:
    """Fields "query" (one text) and "document" (the positive, then k negatives)."""

    def __init__(self, rows: list[dict], *, negatives: int):
        """Take rows of {query, positive, negatives} and how many negatives to use."""
        self._rows = rows
        self._negatives = negatives

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: np.ndarray) -> list[dict[str, list[str]]]:
        """Return the texts of several triples."""
        rows = [self._rows[i] for i in indices]
        return [
            {
                "query": [row["query"]],
                "document": [row["positive"], *row["negatives"][: self._negatives]],
            }
            for row in rows
        ]


def read(path: Path, *, negatives: int) -> TripleExamples:
    """Read JSON lines {query, positive, negatives: [...]}.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: naming the line that is no such object or has too few negatives, or if
            there is no line at all.
    """
    if not path.is_file():
        raise FileNotFoundError(f"data.triples: there is no file {path}")
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                rows.append(_row(line, f"{path}, line {number}", negatives))
    if not rows:
        raise ValueError(f"{path} is empty; it needs one JSON object a line")
    return TripleExamples(rows, negatives=negatives)


def _row(line: str, where: str, negatives: int) -> dict:
    try:
        row = json.loads(line)
        texts = [row["query"], row["positive"], *row["negatives"]]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{where} is no object with query, positive and negatives: {error}"
        ) from error
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{where}: query, positive and negatives must be texts")
    if len(row["negatives"]) < negatives:
        raise ValueError(
            f"{where} has {len(row['negatives'])} negatives, data.negatives asks for "
            f"{negatives}; lower it or give more"
        )
    return row
