"""Read topics and relevance judgments as TREC, MS MARCO and BEIR publish them."""

import re
from pathlib import Path
from typing import Literal

from optical_jax.data import textfile

# A field ends where the next tag begins; many collections do not close them. The words
# "Number:", "Topic:", "Description:" and "Narrative:" repeat the tag.
_FIELD = re.compile(r"<(num|title|desc|narr)>\s*(?:[A-Z][a-z]+:)?([^<]*)")


def topics(
    path: Path, *, field: Literal["title", "desc", "narr"] = "title"
) -> dict[str, str]:
    """Return query_id -> text of a topics file.

    Args:
        path: Either `<top>` blocks with `<num>` and other fields, or one
            "query_id<tab>text" a line, as in MS MARCO.
        field: Which field of a `<top>` block is the query.
    """
    lines = list(textfile.read_lines(path))
    if not any("<top>" in line for line in lines):
        return _table(path, lines)
    queries: dict[str, str] = {}
    for block in "\n".join(lines).split("<top>")[1:]:
        block, end, _ = block.partition("</top>")
        if not end:
            continue
        fields = {tag: textfile.normalize(text) for tag, text in _FIELD.findall(block)}
        missing = [tag for tag in ("num", field) if not fields.get(tag)]
        if missing:
            raise ValueError(
                f"{path}: a topic has no <{missing[0]}>; it begins "
                f"{textfile.normalize(block)[:60]!r}"
            )
        queries[fields["num"]] = fields[field]
    return queries


def _table(path: Path, lines: list[str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, text = row(line, f"{path}, line {number}")
        if name in texts:
            raise ValueError(f"{path}, line {number}: {name!r} occurs twice")
        texts[name] = text
    if not texts:
        raise ValueError(f"{path} is empty; fetch it again")
    return texts


def row(line: str, where: str) -> tuple[str, str]:
    """Return identifier and text of a line of a table.

    Raises:
        ValueError: beginning with where, if it is none.
    """
    name, tab, text = line.partition("\t")
    if not tab:
        raise ValueError(f"{where}: expected 'identifier<tab>text', got {line[:60]!r}")
    return name, text.strip()


def collection(path: Path) -> dict[str, str]:
    """Return doc_id -> text of an MS MARCO `collection.tsv`."""
    return _table(path, list(textfile.read_lines(path)))


def qrels(path: Path) -> dict[str, dict[str, int]]:
    """Return query_id -> doc_id -> relevance of a judgments file.

    Lines are "query_id iteration doc_id relevance" (TREC, MS MARCO) or "query_id doc_id
    relevance" (BEIR), the latter after a header; separated by tabs, else by blanks.
    """
    judged: dict[str, dict[str, int]] = {}
    for number, line in enumerate(textfile.read_lines(path), start=1):
        cells = line.split("\t") if "\t" in line else line.split()
        if not cells or (number == 1 and cells[0] == "query-id"):
            continue
        if len(cells) not in (3, 4) or not re.fullmatch(r"\s*-?\d{1,9}\s*", cells[-1]):
            raise ValueError(
                f"{path}, line {number}: expected 'query_id [iteration] doc_id "
                f"relevance' with a whole number at the end, got {line[:60]!r}"
            )
        judged.setdefault(cells[0], {})[cells[-2]] = int(cells[-1])
    if not judged:
        raise ValueError(f"{path} holds no relevance judgment; fetch it again")
    return judged
