"""What a source of queries with documents is: its files, and access to its entries."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True, kw_only=True)
class RankingSource:
    """Name files of queries with documents and say how to read them.

    File names are relative to the data root; files may be gzip or lie in a zip archive.
    Sources of format "ids" with the same `examples` are parallel: the same queries and
    documents in several languages.
    """

    name: str
    # "jsonl": one JSON object a line, {"query", "positive", "negatives": [...]} and, if
    # there are any, "scores": the positive's, then each negative's.
    # "ids": identifiers into `queries` and `collection`: "query_id doc_id doc_id ..." a
    # line (MS MARCO's and mMARCO's triples), or JSON [query_id, [doc_id, score], ...] or
    # [query_id, doc_id, ...] (ColBERT's n-way examples, Translate-Distill's scores).
    # "beir": a folder with corpus.jsonl or collection.tsv, queries and graded qrels.
    # "pairs": one JSON object a line with "query" or "question", "text" or "passage" and
    # perhaps "title" and "lang" (SWIM-IR and other synthetic queries).
    format: Literal["jsonl", "ids", "beir", "pairs"]
    # The file of examples; of "beir", the name of its query set, such as "train".
    examples: str
    # Tables "id<tab>text", or JSON lines with "_id" and "text" ("ids").
    queries: str = ""
    # Such a table ("ids"), or the folder ("beir").
    collection: str = ""
    # How often its examples are drawn, relative to the other sources'.
    weight: float = 1.0
    # BCP-47 code of its language; of "pairs" with languages, the one that is kept.
    language: str = ""
    # Whether a document with a title starts with it.
    titles: bool = True
    # Lowest relevance of a positive ("beir").
    relevance: int = 1
    # Whether the first document of an entry is the relevant one, and always drawn. If not,
    # documents are drawn at random among all and the best scored of them is the first.
    first_is_positive: bool = True

    def __post_init__(self) -> None:
        """Check that the fields the format needs are there."""
        where = f"ranking source {self.name!r}"
        if not self.name or "/" in self.name:
            raise ValueError(f"{where}: a name is not empty and has no '/'")
        needed = {"ids": ("queries", "collection"), "beir": ("collection",)}
        for name in ("examples", *needed.get(self.format, ())):
            if not getattr(self, name):
                raise ValueError(f"{where}: format {self.format!r} needs {name}")
        if not self.weight > 0:
            raise ValueError(f"{where}: weight must be positive, got {self.weight}")
        if self.relevance < 1:
            raise ValueError(
                f"{where}: relevance must be at least 1, got {self.relevance}"
            )


class Entry(NamedTuple):
    """One query and its documents, as the file has them; scores if it has any."""

    query: str
    documents: Sequence[str]
    scores: Sequence[float] | None = None
    # Further relevant documents: none is a negative.
    relevant: frozenset[str] = frozenset()


@runtime_checkable
class Entries(Protocol):
    """Random access to the entries of a source and to the texts of documents."""

    # For each entry: a hash of its first document, the same wherever that occurs; how
    # many documents it has; whether they have scores.
    positives: np.ndarray
    counts: np.ndarray
    scored: np.ndarray
    # How many documents there are to draw negatives from.
    pool: int

    def entry(self, number: int) -> Entry:
        """Return an entry."""

    def document(self, name: str) -> str:
        """Return the text of a document by the name that entries call it."""

    def pooled(self, number: int) -> str:
        """Return the name of a document of the pool."""


def fingerprint(name: str) -> int:
    """Return a number that is the same wherever a document occurs."""
    return zlib.crc32(name.encode())


def check_scores(entry: Entry, where: str) -> None:
    """Check that an entry has no scores, or a finite one for each document.

    Raises:
        ValueError: naming where the entry stands.
    """
    scores = entry.scores
    if scores is None:
        return
    if not isinstance(scores, list) or len(scores) != len(entry.documents):
        raise ValueError(
            f"{where}: scores must be a list with one for each of the "
            f"{len(entry.documents)} documents, the positive's first"
        )
    try:
        if not np.isfinite(np.array(scores, float)).all():
            raise ValueError("not finite")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: scores must be finite numbers, got {scores}"
        ) from error
