"""Queries with documents by identifier: triples and n-way examples, judged collections.

Nothing is held: identifiers are looked up, and texts read from disk, when they are drawn.
"""

from pathlib import Path

import numpy as np

from optical_jax.data import (
    beir,
    jsontext,
    lines,
    ranking_sources,
    texttable,
    trec,
)
from optical_jax.data.ranking_sources import Entry, RankingSource
from optical_jax.data.texttable import TextTable

# Entries whose identifiers are looked up at once.
_CHUNK = 1 << 16


class IdEntries:
    """Lines of identifiers of queries and documents, whose texts are in two tables."""

    def __init__(self, source: RankingSource, *, root: Path, cache: Path):
        """Open three files and check that every identifier has a text.

        Raises:
            ValueError: naming an identifier without one.
        """
        columns = ("positives", "counts", "scored")
        self._lines = lines.index(
            root / source.examples,
            cache=cache,
            kind="ids",
            columns=columns,
            parse=_parse_ids,
        )
        self.positives, self.counts, self.scored = map(self._lines.columns.get, columns)
        self._queries = texttable.load(root / source.queries, cache=cache)
        self._collection = texttable.load(
            root / source.collection, cache=cache, titles=source.titles
        )
        self._check()

    def _check(self) -> None:
        """Look every identifier up, once for these three files."""
        tables = (self._queries, self._collection)
        names = "-".join(table.lines.folder.name[-12:] for table in tables)
        done = self._lines.folder.with_name(
            f"{self._lines.folder.name}-{names}.checked"
        )
        if done.exists():
            return
        for start in range(0, len(self._lines), _CHUNK):
            numbers = range(start, min(start + _CHUNK, len(self._lines)))
            rows = [_id_row(self._lines.read(i)) for i in numbers]
            self._require(self._queries, [q for q, *_ in rows], "query")
            self._require(
                self._collection, [d for _, ds, _ in rows for d in ds], "document"
            )
        done.touch()

    def _require(self, table: TextTable, names: list[str], what: str) -> None:
        missing = np.flatnonzero(table.find(names) < 0)
        if len(missing):
            raise ValueError(
                f"{self._lines.source} names {what} {names[missing[0]]!r}, which "
                f"{table.lines.source} does not hold; they do not belong together"
            )

    @property
    def pool(self) -> int:
        """Documents that negatives are drawn from."""
        return len(self._collection)

    def entry(self, number: int) -> Entry:
        """Return an entry."""
        query_id, documents, scores = _id_row(self._lines.read(number))
        place = int(self._queries.find([query_id])[0])
        return Entry(self._queries.text(place), documents, scores)

    def document(self, name: str) -> str:
        """Return the text of a document."""
        return self._collection.text(int(self._collection.find([name])[0]))

    def pooled(self, number: int) -> str:
        """Return what a document of the pool is called."""
        return self._collection.identifier(number)


def _id_row(line: str) -> tuple[str, list[str], list[float] | None]:
    if not line.lstrip().startswith("["):
        query_id, *documents = line.split()
        return query_id, documents, None
    query_id, *documents = jsontext.loads(line)
    if documents and isinstance(documents[0], list):
        names, scores = zip(*documents, strict=True)
        return str(query_id), [str(name) for name in names], [float(s) for s in scores]
    return str(query_id), [str(name) for name in documents], None


def _parse_ids(line: str, where: str) -> tuple[int, int, int]:
    try:
        query_id, documents, scores = _id_row(line)
        if not documents:
            raise ValueError("it names no document")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: expected 'query_id doc_id doc_id ...' or JSON [query_id, [doc_id, "
            f"score], ...], got {line[:60]!r} ({error})"
        ) from error
    ranking_sources.check_scores(Entry(query_id, documents, scores), where)
    return ranking_sources.fingerprint(documents[0]), len(documents), scores is not None


class JudgedEntries:
    """A collection's judgments: an entry for each relevant document of each query."""

    def __init__(self, folder: Path, source: RankingSource, *, cache: Path):
        """Open a folder and read the judgments of the source's query set.

        Raises:
            FileNotFoundError: if the folder has no such query set.
            ValueError: if no judgment of it says what is relevant.
        """
        corpus = beir.first(folder, "corpus.jsonl*") or beir.first(
            folder, "collection.tsv*"
        )
        judged = beir.first(folder, f"qrels/{source.examples}.tsv*") or beir.first(
            folder, f"qrels.{source.examples}.*"
        )
        queries = (
            beir.first(folder, f"queries/{source.examples}.jsonl*")
            or beir.first(folder, "queries.jsonl*")
            or beir.first(folder, f"queries.{source.examples}.*")
        )
        for what, file in (("corpus", corpus), ("qrels", judged), ("queries", queries)):
            if file is None:
                raise FileNotFoundError(
                    f"ranking source {source.name!r}: {folder} has no {what} of query set "
                    f"{source.examples!r}"
                )
        self._collection = texttable.load(corpus, cache=cache, titles=source.titles)
        self._queries = texttable.load(queries, cache=cache)
        self._entries = self._judged(trec.qrels(judged), source, judged)
        self.positives = np.array(
            [ranking_sources.fingerprint(e[1]) for e in self._entries], np.int64
        )
        self.counts = np.array([1 + len(e[2]) for e in self._entries])
        self.scored = np.zeros(len(self._entries), bool)

    def _judged(
        self, qrels: dict[str, dict[str, int]], source: RankingSource, file: Path
    ) -> list[tuple[int, str, list[str], frozenset[str]]]:
        """Return (query, positive, judged negatives, all positives) in order of the file."""
        names = sorted({d for judged in qrels.values() for d in judged})
        known = {
            name
            for name, i in zip(names, self._collection.find(names), strict=True)
            if i >= 0
        }
        places = dict(zip(qrels, self._queries.find(list(qrels)).tolist(), strict=True))
        entries = []
        for query_id, judged in qrels.items():
            held = {d: r for d, r in judged.items() if d in known}
            relevant = frozenset(d for d, r in held.items() if r >= source.relevance)
            negatives = [d for d, r in held.items() if r <= 0]
            if places[query_id] >= 0:
                entries += [
                    (places[query_id], d, negatives, relevant) for d in sorted(relevant)
                ]
        if not entries:
            raise ValueError(
                f"ranking source {source.name!r}: {file} has no document of relevance "
                f"{source.relevance} or more whose text and query are in the folder"
            )
        return entries

    @property
    def pool(self) -> int:
        """Documents that negatives are drawn from."""
        return len(self._collection)

    def entry(self, number: int) -> Entry:
        """Return an entry."""
        place, positive, negatives, relevant = self._entries[number]
        return Entry(self._queries.text(place), [positive, *negatives], None, relevant)

    def document(self, name: str) -> str:
        """Return the text of a document."""
        return self._collection.text(int(self._collection.find([name])[0]))

    def pooled(self, number: int) -> str:
        """Return what a document of the pool is called."""
        return self._collection.identifier(number)
