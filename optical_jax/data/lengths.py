"""Lengths of a bitext's examples in tokens, kept on disk.

With them a host puts all examples in order, and reads and tokenises those that are its own.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optical_jax.data import examples as examples_lib
from optical_jax.data import staging
from optical_jax.data.examples import Drawing, Field, Rows
from optical_jax.data.sources import Pair

# Examples whose texts are held at once.
_CHUNK = 4096


@dataclass(frozen=True)
class Own:
    """Reads and tokenises its own rows of a batch; windows are sorted by known lengths.

    Attributes:
        texts: of all examples.
        fields: the texts of an example.
        lengths: [n texts.count], from `of`.
    """

    texts: Drawing
    fields: Mapping[str, Field]
    lengths: np.ndarray

    def window(self, numbers: np.ndarray) -> tuple[Rows, list[int]]:
        """Return which text each example of a window has, and how long that is."""
        drawn = self.texts.drawn(numbers)
        rows = list(zip(numbers.tolist(), drawn.tolist(), strict=True))
        return rows, self.lengths[numbers, drawn].tolist()

    def batch(self, rows: Rows, own: np.ndarray) -> tuple[int, Rows]:
        """Return the longest length of a batch, and its rows `own` with their tokens.

        Raises:
            ValueError: if one of these has not the length that it should have: every host
                sorts by them, so what they are must not depend on who reads them.
        """
        numbers, drawn = np.array(rows).T
        lengths = self.lengths[numbers, drawn]
        columns = self.texts.variants(numbers[own], drawn[own])
        mine = examples_lib.encoded(numbers[own], columns, self.fields)
        for (number, row), kept in zip(mine, lengths[own].tolist(), strict=True):
            found = examples_lib.length(row, self.fields)
            if found != kept:
                raise ValueError(
                    f"example {number} must have {kept} tokens, as its length was kept, "
                    f"got {found}: the file is damaged or of another tokenizer; delete "
                    "lengths-*.npy in data.cache_dir and run again"
                )
        return int(lengths.max()), mine


def of(
    texts: Drawing,
    fields: Mapping[str, Field],
    *,
    pairs: Iterable[Pair],
    cache: Path,
    say: Callable[[str], None],
) -> np.ndarray:
    """Return the lengths of each example's texts, [n texts.count] int32.

    The length of an example is that of its longest text that is encoded live. They are
    computed once; the file is whole or not there.

    Args:
        texts: of the examples.
        fields: the texts of an example.
        pairs: what the texts are made of; names the file in the cache.
        cache: folder of lengths.
        say: prints a line.

    Raises:
        ValueError: naming the file in the cache if it is damaged.
        OSError: if the disk is full.
    """
    digest = hashlib.sha256(str(texts.count).encode())
    for name, field in sorted(fields.items()):
        settings = (name, field.kind, field.column, field.text.head, field.longest)
        digest.update(repr((settings, field.cached is None)).encode())
        digest.update(field.text.tokenizer.to_str().encode())
    count = 0
    for count, pair in enumerate(pairs, start=1):  # noqa: B007
        digest.update(json.dumps(pair).encode())
    path = cache / f"lengths-{digest.hexdigest()[:20]}.npy"
    if not path.is_file():
        say(
            f"lengths of {count} pairs in tokens, so that processes read their own alone"
        )
        found = np.empty((count, texts.count), np.int32)
        for start in range(0, count, _CHUNK):
            part = slice(start, min(start + _CHUNK, count))
            found[part] = _lengths(texts, fields, np.arange(count)[part])
        cache.mkdir(parents=True, exist_ok=True)
        staging.save_array(path, found)
    return _open(path, (count, texts.count))


def _lengths(
    texts: Drawing, fields: Mapping[str, Field], numbers: np.ndarray
) -> np.ndarray:
    every = [
        texts.variants(numbers, np.full(len(numbers), which))
        for which in range(texts.count)
    ]
    found = np.empty((len(numbers), texts.count), np.int32)
    for which, columns in enumerate(every):
        # Most texts have no marks to lose, and are tokenised once.
        new = [i for i, row in enumerate(columns) if not which or row != every[0][i]]
        some = [columns[i] for i in new]
        rows = examples_lib.encoded(numbers[new], some, fields)
        found[:, which] = found[:, 0]
        found[new, which] = [examples_lib.length(row, fields) for _, row in rows]
    return found


def _open(path: Path, shape: tuple[int, int]) -> np.ndarray:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if found.shape != shape or found.dtype != np.int32:
            raise ValueError(
                f"{found.dtype} {list(found.shape)} for int32 {list(shape)}"
            )
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"the lengths of texts in {path} are damaged ({error}); delete that file and "
            "run again"
        ) from error
    return found
