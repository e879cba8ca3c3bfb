"""Texts by identifier, from files that are too large to hold: queries, collections."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optical_jax.data import jsontext, lines, staging
from optical_jax.data.lines import Lines

# Lines shown of what an error is about.
_SHOWN = 60


@dataclass(frozen=True)
class TextTable:
    """Identifiers and texts, one a line: "id<tab>text", or JSON with "_id" and "text"."""

    lines: Lines
    # Identifiers in the order of their bytes, and the line of each.
    ids: np.ndarray
    order: np.ndarray
    is_json: bool
    titles: bool

    def __len__(self) -> int:
        return len(self.lines)

    def find(self, ids: Sequence[str]) -> np.ndarray:
        """Return the lines of some identifiers, -1 for those that are not there."""
        wanted = np.array([name.encode() for name in ids], np.bytes_)
        places = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.where(self.ids[places] == wanted, self.order[places], -1)

    def identifier(self, number: int) -> str:
        """Return the identifier of a line."""
        return self.lines.columns["id"][number].decode()

    def text(self, number: int) -> str:
        """Return the text of a line, its title first if titles are asked for."""
        line = self.lines.read(number)
        if not self.is_json:
            return line.partition("\t")[2].strip()
        row = json.loads(line)
        title = (self.titles and row.get("title")) or ""
        return f"{title} {row['text']}".strip()


def load(path: Path, *, cache: Path, titles: bool = True) -> TextTable:
    """Open a table of texts; JSON if its first line is an object.

    Args:
        path: `collection.tsv`, `queries.tsv`, `corpus.jsonl` and the like, or packed.
        cache: where arrays that give access to it are kept.
        titles: whether a JSON entry's text starts with its title.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: naming the first malformed line, or an identifier that occurs twice.
    """
    found = lines.index(
        path, cache=cache, kind="texts", columns=("id",), parse=_identifier
    )
    sorted_path, order_path = (
        found.folder.with_name(f"{found.folder.name}-{name}.npy")
        for name in ("ids", "order")
    )
    if not order_path.is_file():
        ids = np.asarray(found.columns["id"])
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        twice = np.flatnonzero(ids[1:] == ids[:-1])
        if len(twice):
            raise ValueError(
                f"{path}: identifier {ids[twice[0]].decode()!r} occurs twice; each text "
                "must have its own"
            )
        staging.save_array(sorted_path, ids)
        staging.save_array(order_path, order)
    ids, order = (
        np.load(p, mmap_mode="r", allow_pickle=False) for p in (sorted_path, order_path)
    )
    is_json = found.read(0).lstrip().startswith("{")
    return TextTable(found, ids, order, is_json=is_json, titles=titles)


def _identifier(line: str, where: str) -> tuple[bytes]:
    if line.lstrip().startswith("{"):
        try:
            row = jsontext.loads(line)
            name, text = str(row["_id"]), row["text"]
            if not isinstance(row["_id"], str | int):
                raise ValueError("an identifier is a text or a whole number")
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"{where}: expected a JSON object with '_id' and 'text', got "
                f"{line[:_SHOWN]!r}"
            ) from error
        if not isinstance(text, str):
            raise ValueError(f"{where}: 'text' must be a text, got {text!r}")
    else:
        name, tab, _ = line.partition("\t")
        if not tab:
            raise ValueError(
                f"{where}: expected 'identifier<tab>text', got {line[:_SHOWN]!r}"
            )
    return (name.strip().encode(),)
