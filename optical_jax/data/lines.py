"""Random access to the lines of text files that are too large to hold.

A file is read and checked once. Where its lines begin and end, and what else was read off
each of them, stays in arrays on disk, which are mapped into memory; they are found again
while the file has the same size and time of change. A compressed file is unpacked first.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optical_jax.data import staging, textfile

_FORMAT = 1
# Bytes.
_LONGEST_LINE = 4 * textfile.LONGEST_LINE
# Lines whose values are held as Python objects.
_CHUNK = 1 << 18

# What is read off a line, a value for each column; raises ValueError naming where it is.
Value = bytes | int
Parse = Callable[[str, str], tuple[Value, ...]]


@dataclass(frozen=True)
class Lines:
    """The lines of a file that are not blank, by number from 0.

    Attributes:
        source: the file as it was named.
        folder: where the arrays are; named by all that they depend on.
        content: the file's bytes, mapped into memory.
        spans: [n 2], the bytes that each line begins at and ends before.
        columns: name -> what was read off each line, [n].
    """

    source: Path
    folder: Path
    content: np.ndarray
    spans: np.ndarray
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.spans)

    def read(self, number: int) -> str:
        """Return a line without its end."""
        start, end = self.spans[number]
        return self.content[start:end].tobytes().decode()


def index(
    path: Path, *, cache: Path, kind: str, columns: tuple[str, ...], parse: Parse
) -> Lines:
    """Return the lines of a file, reading all of it unless that was done before.

    Args:
        path: plain, gzip, or in a zip archive.
        cache: where the folder of the arrays is made.
        kind: names what `parse` reads; part of the folder's name.
        columns: names of the values that `parse` returns.
        parse: `(line, where) -> values`.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: naming the first line that is not UTF-8 or that parse refuses; if
            every line is blank.
    """
    textfile.open_binary(path).close()
    file = next(p for p in (path, *path.parents) if p.is_file())
    facts = file.stat()
    key = [_FORMAT, kind, str(path.resolve()), facts.st_size, facts.st_mtime_ns]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    folder = cache / f"lines-{digest[:20]}"
    if not folder.is_dir():
        with staging.folder(folder, shared=True) as made:
            if _is_packed(path):
                _unpack(path, made / "content")
            content = made / "content" if _is_packed(path) else path
            arrays = _read(content, path, columns, parse)
            for name, array in arrays.items():
                np.save(made / f"{name}.npy", array)
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("spans", *columns)
    }
    content = folder / "content" if _is_packed(path) else path
    return Lines(
        source=path,
        folder=folder,
        content=np.memmap(content, np.uint8, mode="r"),
        spans=arrays.pop("spans"),
        columns=arrays,
    )


def _is_packed(path: Path) -> bool:
    if not path.is_file() or zipfile.is_zipfile(path):
        return True
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _unpack(path: Path, out: Path) -> None:
    with textfile.open_binary(path) as packed, out.open("wb") as file:
        try:
            shutil.copyfileobj(packed, file)
        except textfile.DAMAGED as error:
            raise ValueError(f"{path} is damaged ({error}); fetch it again") from error


def _read(
    content: Path, source: Path, columns: tuple[str, ...], parse: Parse
) -> dict[str, np.ndarray]:
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("spans", *columns)}
    rows: list[tuple[tuple[int, int], tuple[Value, ...]]] = []

    def flush() -> None:
        parts["spans"].append(np.array([span for span, _ in rows], np.int64))
        for i, name in enumerate(columns):
            parts[name].append(np.array([values[i] for _, values in rows]))
        rows.clear()

    for number, span, line in _lines(content, source):
        rows.append((span, parse(line, f"{source}, line {number}")))
        if len(rows) == _CHUNK:
            flush()
    if rows:
        flush()
    if not parts["spans"]:
        raise ValueError(f"{source} is empty; it must hold one entry a line")
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _lines(content: Path, source: Path) -> Iterator[tuple[int, tuple[int, int], str]]:
    """Yield number (from 1), span and text of every line that is not blank."""
    position = 0
    with content.open("rb") as file:
        lines = iter(lambda: file.readline(_LONGEST_LINE), b"")
        for number, raw in enumerate(lines, start=1):
            if len(raw) == _LONGEST_LINE:
                raise ValueError(
                    f"{source}, line {number} has {_LONGEST_LINE} bytes or more, which is "
                    "no line of text; fetch the file again"
                )
            start = position
            position += len(raw)
            if number == 1 and raw.startswith(b"\xef\xbb\xbf"):  # byte order mark
                start, raw = start + 3, raw[3:]
            kept = raw.rstrip(b"\r\n")
            if not kept.strip():
                continue
            try:
                line = kept.decode()
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{source}, line {number} is not UTF-8 ({error.reason}); convert "
                    "it, for example with iconv -t UTF-8"
                ) from error
            yield number, (start, start + len(kept)), line
