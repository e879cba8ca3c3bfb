"""The documents of a collection that stay on disk, in the order of their doc_ids."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from optical_jax.data import lines

# Documents read at once where all of them are.
_CHUNK = 1024


class Documents(Sequence[str]):
    """Texts in files; those that are asked for are read."""

    def __init__(self, count: int, read: Callable[[Sequence[int]], list[str]]):
        """Take the number of documents, and what gives the texts of some of them."""
        self._count, self._read = count, read

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, key: int | slice) -> str | list[str]:
        """Return one document, or a list of them for a slice."""
        chosen = range(len(self))[key]
        if isinstance(chosen, range):
            return self._read(chosen)
        return self._read([chosen])[0]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _CHUNK):
            yield from self[start : start + _CHUNK]


def of_file(
    path: Path,
    *,
    cache: Path,
    parse: Callable[[str, str], tuple[str, str]],
    kind: str,
) -> tuple[list[str], Documents]:
    """Return the doc_ids of a file of one document a line, and the documents.

    The file is read once, to check it and to find its lines (`lines.index`); a packed one is
    unpacked into the cache.

    Args:
        path: the file.
        cache: folder that keeps where its lines are.
        parse: (line, where) -> doc_id and text.
        kind: names what parse reads.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: naming a malformed line, or a doc_id that is there twice.
    """
    found = lines.index(
        path,
        cache=cache,
        kind=f"documents {kind}",
        columns=("doc_id",),
        parse=lambda line, where: (parse(line, where)[0].encode(),),
    )
    ids = np.asarray(found.columns["doc_id"])
    # Of UTF-8, the order of the bytes is that of the characters.
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if len(twice):
        raise ValueError(f"{path}: _id {ids[twice[0]].decode()!r} occurs twice")

    def read(chosen: Sequence[int]) -> list[str]:
        numbers = order[np.asarray(chosen, np.int64)].tolist()
        return [parse(found.read(n), f"{path}, line {n + 1}")[1] for n in numbers]

    return [name.decode() for name in ids.tolist()], Documents(len(ids), read)
