"""Load retrieval collections: documents, sets of queries, and what is relevant to them.

A collection is a folder in one of these layouts, any file of which may be gzip:

- BEIR: `corpus.jsonl` {_id, title, text}; either `queries/NAME.jsonl` {_id, text} and
  `qrels/NAME.tsv`, or one `queries.jsonl` for all `qrels/NAME.tsv`;
- MS MARCO and TREC: `collection.tsv`, `queries.NAME.tsv` or `topics.NAME.txt`, and
  `qrels.NAME.tsv` or `.txt`;
- what `prepare` wrote.
"""

import functools
import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from optical_jax.data import beir, documents, records, trec

Queries = dict[str, str]
Qrels = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Collection:
    """A collection; documents are in the order of their doc_id."""

    name: str
    doc_ids: list[str]
    # Title, a blank, text; in memory, or on disk.
    documents: Sequence[str]
    # Query set -> query_id -> text.
    queries_of: Mapping[str, Queries]
    # Query set -> query_id -> doc_id -> relevance; a set may have none.
    qrels_of: Mapping[str, Qrels]

    @property
    def query_sets(self) -> list[str]:
        """The names of the query sets."""
        return sorted(self.queries_of)

    def queries(self, name: str) -> Queries:
        """Return query_id -> text of a query set."""
        if name not in self.queries_of:
            raise ValueError(
                f"collection {self.name} has no query set {name!r}; it has "
                f"{', '.join(self.query_sets) or 'none'}"
            )
        return self.queries_of[name]

    def qrels(self, name: str) -> Qrels:
        """Return query_id -> doc_id -> relevance of a query set."""
        self.queries(name)
        if name not in self.qrels_of:
            raise ValueError(
                f"collection {self.name} has queries but no relevance judgments for "
                f"{name!r}; there are judgments for "
                f"{', '.join(sorted(self.qrels_of)) or 'none'}"
            )
        return self.qrels_of[name]

    def texts(self, *, but: Container[str] = ()) -> frozenset[str]:
        """Return every document and query, but those of some query sets."""
        kept = (each for name, each in self.queries_of.items() if name not in but)
        return frozenset(self.documents).union(*(each.values() for each in kept))


def load(
    path: str | Path, *, titles: bool = True, cache: Path | None = None
) -> Collection:
    """Load a collection from its folder.

    Args:
        path: The folder.
        titles: Whether a document of the BEIR layout starts with its title, as BEIR's own
            loader has it, or is its text alone.
        cache: A folder that keeps where documents are in their file; with it they are read
            from disk as they are used, without it they are held in memory.

    Raises:
        FileNotFoundError: The folder or its documents are missing.
        ValueError: A file is malformed; the message names the line.
    """
    path = Path(path)
    if (path / "documents").is_dir():
        return _load_prepared(path, held=cache is None)
    if corpus := beir.first(path, "corpus.jsonl*"):
        parse = functools.partial(beir.document, titles=titles)
        whole = functools.partial(beir.documents, titles=titles)
        queries_of, qrels_of = beir.queries(path)
    elif corpus := beir.first(path, "collection.tsv*"):
        parse, whole = trec.row, trec.collection
        queries_of = {
            n: trec.topics(file)
            for prefix in ("queries", "topics")
            for n, file in _named(path, prefix)
        }
        qrels_of = {n: trec.qrels(file) for n, file in _named(path, "qrels")}
    else:
        raise FileNotFoundError(
            f"{path} is no retrieval collection: it has neither corpus.jsonl (BEIR) nor "
            "collection.tsv (MS MARCO, TREC)"
        )
    if cache is None:
        held = whole(corpus)
        doc_ids = sorted(held)
        texts: Sequence[str] = [held[doc_id] for doc_id in doc_ids]
    else:
        kind = corpus.name.partition(".")[0]
        doc_ids, texts = documents.of_file(corpus, cache=cache, parse=parse, kind=kind)
    _check(path, doc_ids, qrels_of)
    return Collection(path.name, doc_ids, texts, queries_of, qrels_of)


def excluded_texts(
    folders: Iterable[str | Path], *, but: Container[str] = ()
) -> frozenset[str]:
    """Return the texts of several collections that must not be trained on.

    Args:
        folders: the collections.
        but: query sets that may be: those of training splits.
    """
    return frozenset().union(*(load(folder).texts(but=but) for folder in folders))


def _named(path: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Yield NAME and path of files such as `qrels.NAME.tsv` and `qrels.NAME.txt.gz`."""
    for file in sorted(path.glob(f"{prefix}.*")):
        stem = file.name.removesuffix(".gz").rpartition(".")[0]
        if name := stem.removeprefix(prefix).removeprefix("."):
            yield name, file


def _check(path: Path, doc_ids: list[str], qrels_of: dict[str, Qrels]) -> None:
    known = set(doc_ids)
    for name, judged in qrels_of.items():
        if not any(doc_id in known for docs in judged.values() for doc_id in docs):
            raise ValueError(
                f"{path}: none of the documents judged in query set {name!r} is in the "
                "collection; the judgments are another collection's"
            )


def prepare(collection: Collection, *, data_dir: Path) -> Path:
    """Write a collection as tfds data sets `documents`, `queries` and `qrels`.

    Returns:
        The directory, named by the collection and a hash of its contents; `load` reads
        it. It is written unless it is there.
    """
    pairs = zip(collection.doc_ids, collection.documents, strict=True)
    tables = {
        "documents": records.Table(
            columns={"doc_id": str, "text": str},
            splits={"corpus": [{"doc_id": d, "text": text} for d, text in pairs]},
            metadata={"name": collection.name},
        ),
        "queries": records.Table(
            columns={"query_id": str, "text": str},
            splits={
                name: [{"query_id": q, "text": text} for q, text in queries.items()]
                for name, queries in collection.queries_of.items()
            },
            metadata={"query_sets": list(collection.queries_of)},
        ),
        "qrels": records.Table(
            columns={"query_id": str, "doc_id": str, "relevance": int},
            splits={
                name: [
                    {"query_id": q, "doc_id": d, "relevance": relevance}
                    for q, judged in qrels.items()
                    for d, relevance in judged.items()
                ]
                for name, qrels in collection.qrels_of.items()
            },
            metadata={"query_sets": list(collection.qrels_of)},
        ),
    }
    # Splits of no query would be empty data sets, which tfds refuses.
    tables = {name: table for name, table in tables.items() if table.splits}
    splits = {name: table.splits for name, table in tables.items()}
    digest = hashlib.sha256(json.dumps(splits, sort_keys=True).encode()).hexdigest()
    directory = data_dir / f"{collection.name}-{digest[:16]}"
    if not directory.is_dir():
        records.write(directory, tables)
    return directory


def _load_prepared(path: Path, *, held: bool) -> Collection:
    corpus = records.Split(path, "documents", "corpus")

    def column(name: str, chosen: Sequence[int]) -> list[str]:
        return [row[name] for row in corpus.__getitems__(chosen)]

    doc_ids, texts = (
        documents.Documents(len(corpus), functools.partial(column, name))
        for name in ("doc_id", "text")
    )
    queries_of = {
        name: {row["query_id"]: row["text"] for row in split}
        for name, split in _prepared_sets(path, "queries")
    }
    qrels_of: dict[str, Qrels] = {}
    for name, split in _prepared_sets(path, "qrels"):
        judged = qrels_of.setdefault(name, {})
        for row in split:
            judged.setdefault(row["query_id"], {})[row["doc_id"]] = row["relevance"]
    return Collection(
        name=records.metadata(path, "documents")["name"],
        doc_ids=list(doc_ids),
        documents=list(texts) if held else texts,
        queries_of=queries_of,
        qrels_of=qrels_of,
    )


def _prepared_sets(
    path: Path, table: str
) -> Iterator[tuple[str, list[records.Record]]]:
    if (path / table).is_dir():
        for name in records.metadata(path, table)["query_sets"]:
            yield name, records.Split(path, table, name)[:]
