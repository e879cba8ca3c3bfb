"""Examples and their texts: read, tokenised, and how long they are in tokens.

Who reads what of a window is a reader's choice: `Whole` here, `lengths.Own` beside it.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from optical_jax.data import teacher_vectors, tokenize, word_splits


@runtime_checkable
class Examples(Protocol):
    """Random access to the texts of examples."""

    def read(self, indices: np.ndarray) -> list[dict[str, list]]:
        """Return {column: [text or number, ...]} of several examples."""


@runtime_checkable
class Drawing(Examples, Protocol):
    """Examples that have one of a few texts, drawn anew in each window."""

    # How many texts an example may have.
    count: int

    def drawn(self, window: np.ndarray) -> np.ndarray:
        """Return which text each example of a window has, from 0."""

    def variants(self, indices: np.ndarray, which: np.ndarray) -> list[dict[str, list]]:
        """Return what `read` does, of examples with given texts."""


# The examples of a batch: (index, {field: [Encoded, ...], column of numbers: [...]}); in a
# window of `lengths.Own`: (index, which text it has).
Rows = Sequence[tuple[int, Any]]
# Makes a field of a batch's rows; returns what belongs to those of this host, by number.
Shared = Callable[[Rows, np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One text of an example: who tokenises it, and as what."""

    text: tokenize.TextEncoder
    kind: Literal["query", "document"]
    # Which text of the example; None: the one of the field's own name.
    column: str | None = None
    # Vectors computed earlier; they go into the batch in place of token ids.
    cached: teacher_vectors.TeacherVectors | None = None
    # What splits words of the text while training.
    splits: word_splits.WordSplits | None = None
    # Columns of numbers of the example; each becomes an array [b numbers] of the field.
    numbers: tuple[str, ...] = ()
    # Further arrays [b ...], made of the batch's rows and this field's padded arrays.
    extras: Mapping[str, Callable[[Rows, Mapping[str, np.ndarray]], np.ndarray]] = (
        dataclasses.field(default_factory=dict)
    )

    def encode(self, texts: Sequence[str]) -> list[tokenize.Encoded]:
        """Tokenise with the head's conventions for queries or documents."""
        return (
            self.text.queries(texts)
            if self.kind == "query"
            else self.text.documents(texts)
        )

    @property
    def longest(self) -> int:
        """The longest that `encode` gives, in tokens."""
        head = self.text.head
        return head.query_length if self.kind == "query" else head.document_length


@runtime_checkable
class Reader(Protocol):
    """Reads the examples of windows, which are put in order, and of batches."""

    def window(self, numbers: np.ndarray) -> tuple[Rows, list[int]]:
        """Return the examples of a window, and how long each is."""

    def batch(self, rows: Rows, own: np.ndarray) -> tuple[int, Rows]:
        """Return the longest length of a batch, and its rows `own` with their tokens."""


@dataclass(frozen=True)
class Whole:
    """Reads and tokenises all examples of a window."""

    texts: Examples
    fields: Mapping[str, Field]

    def window(self, numbers: np.ndarray) -> tuple[Rows, list[int]]:
        """Return the examples of a window, tokenised, and how long each is."""
        rows = encoded(numbers, self.texts.read(numbers), self.fields)
        return rows, [length(row, self.fields) for _, row in rows]

    def batch(self, rows: Rows, own: np.ndarray) -> tuple[int, Rows]:
        """Return the longest length of a batch, and its rows `own`."""
        return max(length(row, self.fields) for _, row in rows), [rows[i] for i in own]


def encoded(
    numbers: np.ndarray, columns: Sequence[dict], fields: Mapping[str, Field]
) -> Rows:
    """Return some examples, given what was read of them, with each field's texts tokenised."""
    made: list[dict[str, list]] = [{} for _ in columns]
    for name, field in fields.items():
        column = field.column or name
        counts = [len(read[column]) for read in columns]
        flat = field.encode([text for read in columns for text in read[column]])
        ends = np.cumsum(counts)
        for row, end, count in zip(made, ends, counts, strict=True):
            row[name] = flat[end - count : end]
        for row, read in zip(made, columns, strict=True):
            row |= {number: read[number] for number in field.numbers}
    return list(zip(numbers.tolist(), made, strict=True))


def length(row: Mapping[str, list], fields: Mapping[str, Field]) -> int:
    """Return the tokens of an example's longest text that is encoded live."""
    return max(
        len(e.ids)
        for name, field in fields.items()
        if field.cached is None
        for e in row[name]
    )
