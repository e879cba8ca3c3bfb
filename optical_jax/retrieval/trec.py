"""TREC runs: the text format, and one order that every reader agrees on.

A run maps query_id to {doc_id: score}, best document first. Here equal scores are ordered
by doc_id, ascending. trec_eval orders them by doc_id descending, other tools by position,
and trec_eval keeps 32 bits of a score: so equal scores are told apart by one unit in
the last place (`strict`) before any of them sees a run.
"""

import math
from pathlib import Path

import numpy as np

from optical_jax.data import textfile

Run = dict[str, dict[str, float]]
Qrels = dict[str, dict[str, int]]

_FORM = "query_id Q0 doc_id rank score tag"


def to_run(
    indices: np.ndarray,
    scores: np.ndarray,
    *,
    query_ids: list[str],
    doc_ids: list[str],
) -> Run:
    """Name ranked documents [q k]; those of score -inf, not retrieved, are left out."""
    return {
        query_id: {
            doc_ids[i]: float(score)
            for i, score in zip(row, row_scores, strict=True)
            if score > -np.inf
        }
        for query_id, row, row_scores in zip(query_ids, indices, scores, strict=True)
    }


def strict(run: Run) -> Run:
    """Return the run with scores that strictly fall, in 32 bits, in the order given.

    Raises:
        ValueError: if a score is not finite or is above that of the document before.
    """
    result: Run = {}
    for query_id, documents in run.items():
        before, bound, row = math.inf, np.float32(np.inf), {}
        for doc_id, score in documents.items():
            if not math.isfinite(score):
                raise ValueError(
                    f"scores of a run must be finite, got {score} for document "
                    f"{doc_id!r} of query {query_id!r}"
                )
            if score > before:
                raise ValueError(
                    f"documents of a run must be ordered by score, got {score} for "
                    f"{doc_id!r} of query {query_id!r} after {before}; sort them"
                )
            before = score
            bound = min(np.float32(score), np.nextafter(bound, np.float32(-np.inf)))
            row[doc_id] = float(bound)
        result[query_id] = row
    return result


def write_run(path: Path, run: Run, *, tag: str) -> None:
    """Write `query_id Q0 doc_id rank score tag` lines, scores strictly falling.

    Raises:
        ValueError: if an id or the tag is empty or holds a blank.
    """
    _check_column("tag", tag)
    lines = []
    for query_id, documents in strict(run).items():
        _check_column("query_id", query_id)
        for rank, (doc_id, score) in enumerate(documents.items(), start=1):
            _check_column("doc_id", doc_id)
            # Nine digits bring every 32-bit float back.
            lines.append(f"{query_id} Q0 {doc_id} {rank} {score:.9g} {tag}\n")
    textfile.write(path, "".join(lines))


def read_run(path: Path) -> Run:
    """Read a run file in trec_eval's order: by score, equal ones by doc_id descending.

    The rank column is checked to be a number and otherwise, as in trec_eval, ignored.

    Raises:
        ValueError: naming the line that is malformed or repeats a document.
    """
    rows: dict[str, dict[str, float]] = {}
    for number, line in enumerate(textfile.read_lines(path), start=1):
        if not line.strip():
            continue
        query_id, doc_id, score = _parse(line, f"{path}:{number}")
        row = rows.setdefault(query_id, {})
        if doc_id in row:
            raise ValueError(
                f"{path}:{number}: document {doc_id!r} is a second time in the "
                f"ranking of query {query_id!r}; each may be there once"
            )
        row[doc_id] = score
    if not rows:
        raise ValueError(f"{path} is empty; it must hold lines of `{_FORM}`")
    return {
        query_id: dict(sorted(row.items(), key=_trec_eval_order, reverse=True))
        for query_id, row in rows.items()
    }


def _trec_eval_order(item: tuple[str, float]) -> tuple[float, str]:
    return item[1], item[0]


def _parse(line: str, where: str) -> tuple[str, str, float]:
    fields = line.split()
    if len(fields) != 6:
        raise ValueError(
            f"{where}: must have 6 blank-separated columns ({_FORM}), got "
            f"{len(fields)}: {line.strip()[:80]!r}"
        )
    query_id, _, doc_id, rank, score, _ = fields
    _number(int, rank, "rank", where)
    value = float(_number(float, score, "score", where))
    if not math.isfinite(value):
        raise ValueError(f"{where}: score must be finite, got {score!r}")
    return query_id, doc_id, value


def _number(kind: type, text: str, name: str, where: str) -> int | float:
    try:
        return kind(text)
    except ValueError as error:
        noun = "an integer" if kind is int else "a number"
        raise ValueError(f"{where}: {name} must be {noun}, got {text!r}") from error


def _check_column(name: str, value: str) -> None:
    if value.split() != [value]:
        raise ValueError(
            f"{name} must be without blanks to stand in a TREC file, got {value!r}"
        )
