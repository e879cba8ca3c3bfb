"""Examples to fixed-shape batches: mix, shuffle, draw a window, sort it by length, pad.

Grain does the mixing, the shuffling and the bookkeeping: every batch is a function of its
number, so an iterator's state is that number and a resumed run sees the same batches on any
mesh. Sorting happens inside windows of a few dozen batches, which keeps padding small
without tying the order of the whole epoch to length.
"""

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import grain
import numpy as np

from optical_jax.data import marks, teacher_vectors, tokenize

Batch = dict[str, dict[str, np.ndarray]]


@runtime_checkable
class Examples(Protocol):
    """Random access to the texts of examples."""

    def read(self, indices: np.ndarray) -> list[dict[str, list]]:
        """Return {column: [text or number, ...]} of several examples."""


# The examples of a batch: (index, {field: [Encoded, ...], column of numbers: [...]}).
Rows = Sequence[tuple[int, Mapping[str, list]]]
# Makes a field of a batch's rows; returns what belongs to those of this host, by number.
Shared = Callable[[Rows, np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One text of an example: who tokenises it, and as what."""

    text: tokenize.TextEncoder
    kind: Literal["query", "document"]
    # Which text of the example; None: the one of the field's own name.
    column: str | None = None
    # Vectors computed earlier; they go into the batch in place of token ids.
    cached: teacher_vectors.TeacherVectors | None = None
    # Columns of numbers of the example; each becomes an array [b numbers] of the field.
    numbers: tuple[str, ...] = ()
    # Further arrays [b ...], made of the batch's rows and this field's padded arrays.
    extras: Mapping[str, Callable[[Rows, Mapping[str, np.ndarray]], np.ndarray]] = (
        dataclasses.field(default_factory=dict)
    )

    def encode(self, texts: Sequence[str]) -> list[tokenize.Encoded]:
        """Tokenise with the head's conventions for queries or documents."""
        return (
            self.text.queries(texts)
            if self.kind == "query"
            else self.text.documents(texts)
        )

    @property
    def longest(self) -> int:
        """The longest that `encode` gives, in tokens."""
        head = self.text.head
        return head.query_length if self.kind == "query" else head.document_length


class LengthSorted(grain.MapDataset):
    """Windows of encoded examples, cut into batches of similar length.

    Element i is batch i: a list of (index, {field: [Encoded, ...]}). The batches of a
    window come in random order.
    """

    def __init__(
        self,
        windows: grain.MapDataset,
        *,
        fields: Mapping[str, Field],
        batch_size: int,
        batches: int,
        seed: int,
    ):
        """Take windows, a data set whose elements are [(index, {field: texts}), ...]."""
        super().__init__(windows)
        self._windows = windows
        self._fields = fields
        self._batch_size = batch_size
        self._batches = batches
        self._seed = seed
        self._lock = threading.Lock()
        self._kept: dict[int, list[Any]] = {}

    def __len__(self) -> int:
        return len(self._windows) * self._batches

    def __getitem__(self, index: Any) -> Any:
        """Return one batch; windows are tokenised once and kept while they are in use."""
        if isinstance(index, slice):
            return self.slice(index)
        window, k = divmod(index, self._batches)
        with self._lock:
            if window not in self._kept:
                self._kept[window] = self._sorted(window)
                # Prefetching reads a little ahead, so two windows are in use.
                for old in list(self._kept)[:-2]:
                    del self._kept[old]
            return self._kept[window][k]

    def _sorted(self, window: int) -> list[Any]:
        rows = self._windows[window]
        encoded: list[dict[str, list]] = [{} for _ in rows]
        for name, field in self._fields.items():
            column = field.column or name
            counts = [len(texts[column]) for _, texts in rows]
            flat = field.encode([text for _, texts in rows for text in texts[column]])
            ends = np.cumsum(counts)
            for row, end, count in zip(encoded, ends, counts, strict=True):
                row[name] = flat[end - count : end]
            for row, (_, columns) in zip(encoded, rows, strict=True):
                row |= {number: columns[number] for number in field.numbers}
        order = sorted(range(len(rows)), key=lambda i: (self._length(encoded[i]), i))
        size = self._batch_size
        batches = [
            [(rows[i][0], encoded[i]) for i in order[k * size : (k + 1) * size]]
            for k in range(self._batches)
        ]
        rng = np.random.default_rng((self._seed, window))
        return [batches[k] for k in rng.permutation(self._batches)]

    def _length(self, row: Mapping[str, list]) -> int:
        return max(
            len(e.ids)
            for name, field in self._fields.items()
            if field.cached is None
            for e in row[name]
        )


@dataclass(frozen=True, kw_only=True)
class Assemble:
    """Pad one batch's examples into arrays, this host's rows only."""

    fields: Mapping[str, Field]
    buckets: tuple[int, ...]
    # What a batch holds beside its examples' own texts, made of its rows.
    shared: Mapping[str, Shared]
    # Which rows of a batch are this host's, in rising order; None: all.
    own: np.ndarray | None = None

    def __call__(self, rows: Rows) -> Batch:
        """Return {field: {ids or vectors, mask, scored, extras}}, [b l] or [b texts l].

        All fields that will be encoded share one bucket (cut to their longest), so that
        a run compiles one shape a bucket; cached vectors always get their longest.
        """
        live = [n for n, f in self.fields.items() if f.cached is None]
        longest = max(len(e.ids) for _, row in rows for n in live for e in row[n])
        bucket = next((b for b in self.buckets if b >= longest), longest)
        own = np.arange(len(rows)) if self.own is None else self.own
        mine = [rows[i] for i in own]
        batch = {}
        for name, field in self.fields.items():
            encoded = [e for _, row in mine for e in row[name]]
            length = field.longest if field.cached else min(bucket, field.longest)
            padded = tokenize.pad(encoded, length, pad_id=field.text.pad_id)
            more = {k: make(mine, padded) for k, make in field.extras.items()}
            for column in field.numbers:
                values = [row[column] for _, row in mine]
                more[column] = np.array(values, np.float32)
            if field.cached is not None:
                del padded["ids"]
                padded |= field.cached.padded([i for i, _ in mine], padded["scored"])
            if len(encoded) > len(mine):  # several texts an example
                padded = {
                    k: v.reshape(len(mine), -1, length) for k, v in padded.items()
                }
            batch[name] = padded | more
        return batch | {name: make(rows, own) for name, make in self.shared.items()}


def stream(
    texts: Examples,
    *,
    groups: Sequence[tuple[np.ndarray, float]],
    fields: Mapping[str, Field],
    batch_size: int,
    window: int,
    buckets: tuple[int, ...],
    seed: int,
    shared: Mapping[str, Shared] | None = None,
    own: np.ndarray | None = None,
) -> grain.MapDataset:
    """Return the endless sequence of training batches of this host.

    Args:
        texts: the examples, by index.
        groups: (indices, weight) of each source; sources are mixed in proportion to
            their number of examples times weight, each reshuffled every epoch of its own.
        fields: the texts of an example, by their names in the batch.
        batch_size: examples a batch, over all hosts.
        window: batches that are sorted together.
        buckets: padded lengths.
        seed: of every shuffle.
        shared: further fields of the batch, made of its rows.
        own: numbers of the rows that this host's devices hold, in rising order
            (training.sharding.own_rows); None: all of them.

    Raises:
        ValueError: if there are no examples.
    """
    groups = [(indices, weight) for indices, weight in groups if len(indices)]
    if not groups:
        raise ValueError(
            "there are no examples to train on; the data sources gave none"
        )
    shuffled = [
        grain.MapDataset.source(np.asarray(indices)).seed(seed + k).shuffle().repeat()
        for k, (indices, _) in enumerate(groups)
    ]
    sizes = np.array([len(indices) * weight for indices, weight in groups], float)
    mixed = shuffled[0]
    if len(shuffled) > 1:
        mixed = grain.MapDataset.mix(shuffled, weights=list(sizes / sizes.sum()))
    windows = mixed.batch(batch_size * window).map(
        lambda indices: list(zip(indices.tolist(), texts.read(indices), strict=True))
    )
    ordered = LengthSorted(
        windows, fields=fields, batch_size=batch_size, batches=window, seed=seed
    )
    assemble = Assemble(fields=fields, buckets=buckets, shared=shared or {}, own=own)
    return ordered.map(assemble)


class Merged(grain.MapDataset):
    """Several streams side by side: element i has the fields of every stream's batch i."""

    def __init__(self, streams: Sequence[grain.MapDataset]):
        """Take streams whose fields have different names."""
        super().__init__(streams)

    def __len__(self) -> int:
        return min(len(stream) for stream in self._parents)

    def __getitem__(self, index: Any) -> Any:
        """Return one merged batch."""
        if isinstance(index, slice):
            return self.slice(index)
        return {k: v for stream in self._parents for k, v in stream[index].items()}


def batches(streams: Sequence[grain.MapDataset]) -> grain.DatasetIterator:
    """Return the checkpointable iterator over one stream, or several side by side."""
    merged = streams[0] if len(streams) == 1 else Merged(streams)
    options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
    return iter(merged.to_iter_dataset(options))


class BitextExamples:
    """Sentence pairs: fields "source" and "target", one text each."""

    def __init__(self, split: Any, *, unmark: marks.Unmarking):  # noqa: ANN401
        """Take a split of prepared bitext, and what targets lose."""
        self._split = split
        self._unmark = unmark

    def read(self, indices: np.ndarray) -> list[dict[str, list[str]]]:
        """Return the texts of several pairs."""
        rows = self._split.__getitems__(indices.tolist())
        targets = self._unmark([row["target"] for row in rows], indices)
        return [
            {"source": [row["source"]], "target": [target]}
            for row, target in zip(rows, targets, strict=True)
        ]
