"""Read the JSON lines of a collection in the layout of BEIR."""

from pathlib import Path
from typing import Any

from optical_jax.data import jsontext, textfile, trec


def first(path: Path, pattern: str) -> Path | None:
    """Return the first file in a folder that matches a pattern."""
    return min(path.glob(pattern), default=None)


def _json_lines(path: Path) -> dict[str, dict[str, Any]]:
    """Return _id -> object of each line."""
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(textfile.read_lines(path), start=1):
        if not line.strip():
            continue
        identifier, row = _row(line, f"{path}, line {number}")
        if identifier in rows:
            raise ValueError(f"{path}, line {number}: _id {identifier!r} occurs twice")
        rows[identifier] = row
    if not rows:
        raise ValueError(f"{path} is empty; fetch it again")
    return rows


def _row(line: str, where: str) -> tuple[str, dict[str, Any]]:
    try:
        row = jsontext.loads(line)
        identifier, text = str(row["_id"]), row["text"]
        if not (isinstance(row["_id"], str | int) and isinstance(text, str)):
            raise ValueError("of other types")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{where}: expected a JSON object with '_id' and 'text', got {line[:60]!r}"
        ) from error
    return identifier, row


def documents(path: Path, *, titles: bool) -> dict[str, str]:
    """Return doc_id -> text of a `corpus.jsonl`; with titles, title and a blank first."""
    rows = _json_lines(path)
    return {doc_id: _text(row, titles=titles) for doc_id, row in rows.items()}


def document(line: str, where: str, *, titles: bool) -> tuple[str, str]:
    """Return doc_id and text of a line of a `corpus.jsonl`.

    Raises:
        ValueError: beginning with where, if it is none.
    """
    doc_id, row = _row(line, where)
    return doc_id, _text(row, titles=titles)


def _text(row: dict[str, Any], *, titles: bool) -> str:
    return f"{(titles and row.get('title')) or ''} {row['text']}".strip()


def read_queries(path: Path) -> dict[str, str]:
    """Return query_id -> text of JSON lines {_id, text}."""
    return {query_id: row["text"] for query_id, row in _json_lines(path).items()}


def queries(
    path: Path,
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, dict[str, int]]]]:
    """Return query set -> queries, and query set -> relevance judgments."""
    qrels_of = {
        file.name.partition(".tsv")[0]: trec.qrels(file)
        for file in sorted(path.glob("qrels/*.tsv*"))
    }
    queries_of = {
        file.name.partition(".jsonl")[0]: read_queries(file)
        for file in sorted(path.glob("queries/*.jsonl*"))
    }
    if file := first(path, "queries.jsonl*"):
        # One file holds the queries of every set; the judgments tell them apart.
        every = read_queries(file)
        for name in qrels_of.keys() - queries_of.keys():
            queries_of[name] = {q: every[q] for q in qrels_of[name] if q in every}
    return queries_of, qrels_of
