"""Queries with documents as JSON lines; a document is called by its text.

Nothing is held: an entry is read from disk when it is drawn.
"""

import json
from pathlib import Path

import numpy as np

from optical_jax.data import jsontext, lines, ranking_sources
from optical_jax.data.ranking_sources import Entry, RankingSource


class JsonEntries:
    """Lines of query, positive, negatives and perhaps scores."""

    def __init__(self, path: Path, *, cache: Path):
        """Open a file, see `lines.index`."""
        columns = ("positives", "counts", "scored")
        self._lines = lines.index(
            path, cache=cache, kind="jsonl", columns=columns, parse=_parse_json
        )
        self.positives, self.counts, self.scored = map(self._lines.columns.get, columns)

    @property
    def pool(self) -> int:
        """Documents that negatives are drawn from."""
        return len(self._lines)

    def entry(self, number: int) -> Entry:
        """Return an entry."""
        return _json_entry(json.loads(self._lines.read(number)))

    def document(self, name: str) -> str:
        """Return the text of a document."""
        return name

    def pooled(self, number: int) -> str:
        """Return what a document of the pool is called."""
        return json.loads(self._lines.read(number))["positive"]


def _json_entry(row: dict) -> Entry:
    documents = [row["positive"], *row.get("negatives", ())]
    return Entry(row["query"], documents, row.get("scores"))


def _parse_json(line: str, where: str) -> tuple[int, int, int]:
    try:
        entry = _json_entry(jsontext.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{where} is no object with query, positive and negatives: {error}"
        ) from error
    texts = [entry.query, *entry.documents]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{where}: query, positive and negatives must be texts")
    ranking_sources.check_scores(entry, where)
    return (
        ranking_sources.fingerprint(entry.documents[0]),
        len(entry.documents),
        entry.scores is not None,
    )


class PairEntries:
    """Lines of a query and its passage; the other lines' passages are the pool."""

    def __init__(self, path: Path, source: RankingSource, *, cache: Path):
        """Open a file and keep the entries in the source's language.

        Raises:
            ValueError: if lines name languages and none is the source's.
        """
        self._lines = lines.index(
            path,
            cache=cache,
            kind="pairs",
            columns=("positives", "languages"),
            parse=_parse_pair,
        )
        self._titles = source.titles
        self._kept = self._of_language(source)
        self.positives = self._lines.columns["positives"][self._kept]
        self.counts = np.ones(len(self._kept), np.int64)
        self.scored = np.zeros(len(self._kept), bool)

    def _of_language(self, source: RankingSource) -> np.ndarray:
        languages = self._lines.columns["languages"]
        if not source.language or not languages.any():
            return np.arange(len(languages))
        wanted = ranking_sources.fingerprint(source.language.lower())
        kept = np.flatnonzero(languages == wanted)
        if not len(kept):
            first = json.loads(self._lines.read(int(np.flatnonzero(languages)[0])))
            raise ValueError(
                f"ranking source {source.name!r}: {self._lines.source} has no line of "
                f"language {source.language!r}; its first one is of {_language(first)!r}"
            )
        return kept

    @property
    def pool(self) -> int:
        """Documents that negatives are drawn from."""
        return len(self._kept)

    def entry(self, number: int) -> Entry:
        """Return an entry."""
        row = json.loads(self._lines.read(int(self._kept[number])))
        return Entry(_pair_query(row), [_pair_text(row, titles=self._titles)])

    def document(self, name: str) -> str:
        """Return the text of a document."""
        return name

    def pooled(self, number: int) -> str:
        """Return what a document of the pool is called."""
        return self.entry(number).documents[0]


def _pair_query(row: dict) -> str:
    return row["query"] if "query" in row else row["question"]


def _pair_text(row: dict, *, titles: bool) -> str:
    text = row["text"] if "text" in row else row["passage"]
    title = (titles and row.get("title")) or ""
    return f"{title} {text}".strip()


def _language(row: dict) -> str:
    return str(row.get("code") or row.get("lang") or row.get("language") or "")


def _parse_pair(line: str, where: str) -> tuple[int, int]:
    try:
        row = jsontext.loads(line)
        query, text = _pair_query(row), _pair_text(row, titles=False)
        language = _language(row).lower()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{where} is no object with query (or question) and text (or passage): {error}"
        ) from error
    if not (isinstance(query, str) and query.strip() and text.strip()):
        raise ValueError(f"{where}: query and text must be texts")
    # 0 stands for a line that names no language.
    languages = ranking_sources.fingerprint(language) if language else 0
    return ranking_sources.fingerprint(text), languages
