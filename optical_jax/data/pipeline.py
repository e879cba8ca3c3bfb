"""Examples to fixed-shape batches: mix, shuffle, draw a window, sort it by length, pad.

Grain does the mixing, the shuffling and the bookkeeping: every batch is a function of its
number, so an iterator's state is that number and a resumed run sees the same batches on any
mesh. Sorting happens inside windows of a few dozen batches, which keeps padding small
without tying the order of the whole epoch to length. Where lengths are known beforehand
(`data.lengths`) a host reads the texts of its own rows alone.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grain
import numpy as np

from optical_jax.data import lengths as lengths_lib
from optical_jax.data import marks, tokenize
from optical_jax.data.examples import Examples, Field, Reader, Rows, Shared, Whole

Batch = dict[str, dict[str, np.ndarray]]


class LengthSorted(grain.MapDataset):
    """Windows of examples, cut into batches of similar length.

    Element i is batch i: a list of its examples, as the reader gives them. The batches of
    a window come in random order.
    """

    def __init__(
        self,
        windows: grain.MapDataset,
        *,
        reader: Reader,
        batch_size: int,
        batches: int,
        seed: int,
    ):
        """Take windows, a data set whose elements are the numbers of examples."""
        super().__init__(windows)
        self._windows = windows
        self._reader = reader
        self._batch_size = batch_size
        self._batches = batches
        self._seed = seed
        self._lock = threading.Lock()
        self._kept: dict[int, list[Any]] = {}

    def __len__(self) -> int:
        return len(self._windows) * self._batches

    def __getitem__(self, index: Any) -> Any:
        """Return one batch; windows are read once and kept while they are in use."""
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
        rows, lengths = self._reader.window(self._windows[window])
        order = sorted(range(len(rows)), key=lambda i: (lengths[i], i))
        size = self._batch_size
        batches = [
            [rows[i] for i in order[k * size : (k + 1) * size]]
            for k in range(self._batches)
        ]
        rng = np.random.default_rng((self._seed, window))
        return [batches[k] for k in rng.permutation(self._batches)]


@dataclass(frozen=True, kw_only=True)
class Assemble:
    """Pad one batch's examples into arrays, this host's rows only."""

    fields: Mapping[str, Field]
    reader: Reader
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
        own = np.arange(len(rows)) if self.own is None else self.own
        longest, mine = self.reader.batch(rows, own)
        bucket = next((b for b in self.buckets if b >= longest), longest)
        batch = {}
        for name, field in self.fields.items():
            columns = field.longest if field.cached else min(bucket, field.longest)
            if field.splits is not None:
                split = field.splits.of_batch([number for number, _ in rows])
                mine = [
                    (n, row | {name: split.all(row[name], n, columns)})
                    for n, row in mine
                ]
            flat = [e for _, row in mine for e in row[name]]
            padded = tokenize.pad(flat, columns, pad_id=field.text.pad_id)
            more = {k: make(mine, padded) for k, make in field.extras.items()}
            for column in field.numbers:
                values = [row[column] for _, row in mine]
                more[column] = np.array(values, np.float32)
            if field.cached is not None:
                del padded["ids"]
                padded |= field.cached.padded([i for i, _ in mine], padded["scored"])
            if len(flat) > len(mine):  # several texts an example
                padded = {
                    k: v.reshape(len(mine), -1, columns) for k, v in padded.items()
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
    lengths: np.ndarray | None = None,
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
        lengths: of all examples, each with its texts drawn from a few (`lengths.of`), so
            that this host reads its own rows alone; the batches are the same. None: it
            reads whole windows.

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
    reader = Whole(texts, fields)
    if lengths is not None:
        reader = lengths_lib.Own(texts, fields, lengths)
    ordered = LengthSorted(
        mixed.batch(batch_size * window),
        reader=reader,
        batch_size=batch_size,
        batches=window,
        seed=seed,
    )
    assemble = Assemble(
        fields=fields, reader=reader, buckets=buckets, shared=shared or {}, own=own
    )
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
    """Sentence pairs: fields "source" and "target", one text each.

    What a target loses is drawn anew in each window.
    """

    def __init__(self, split: Any, *, unmark: marks.Unmarking):  # noqa: ANN401
        """Take a split of prepared bitext, and what targets lose."""
        self._split = split
        self._unmark = unmark
        self.count = unmark.count

    def read(self, indices: np.ndarray) -> list[dict[str, list[str]]]:
        """Return the texts of the pairs of a window."""
        return self.variants(indices, self.drawn(indices))

    def drawn(self, window: np.ndarray) -> np.ndarray:
        """Return what each pair's target loses in a window."""
        return self._unmark.drawn(window)

    def variants(
        self, indices: np.ndarray, which: np.ndarray
    ) -> list[dict[str, list[str]]]:
        """Return the texts of several pairs whose targets lose what is given."""
        rows = self._split.__getitems__(indices.tolist())
        return [
            {"source": [row["source"]], "target": [marks.lessened(row["target"], how)]}
            for row, how in zip(rows, which.tolist(), strict=True)
        ]
