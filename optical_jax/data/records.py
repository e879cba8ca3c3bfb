"""Keep text records on disk as array_record files, through tensorflow_datasets.

One directory holds one or more tables, each a tfds data set with its own columns and
splits. TensorFlow itself is not needed, for writing or for reading.
"""

import contextlib
import functools
import io
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from array_record.python import array_record_module

from optical_jax.data import staging

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Describe a table before it is written: split -> records, column -> its type."""

    columns: Mapping[str, type[str] | type[int]]
    splits: Mapping[str, Iterable[Record]]
    # Anything that JSON can hold, kept beside the records.
    metadata: dict[str, Any] = field(default_factory=dict)


class Records(tfds.core.GeneratorBasedBuilder):
    """Build one table; tfds keeps its columns, sizes and metadata beside the records."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, name: str, table: Table, data_dir: str) -> None:
        # tfds names data sets after their class; here every table is one of its own.
        self.name = name
        self._table = table
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        columns = {
            name: tfds.features.Text()
            if kind is str
            else tfds.features.Scalar(dtype=np.int32)
            for name, kind in self._table.columns.items()
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(columns),
            # Records stay in the order they come in; training shuffles them itself.
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(self._table.metadata),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterable[Any]]:
        return {
            _split_name(name): self._generate_examples(records)
            for name, records in self._table.splits.items()
        }

    def _generate_examples(self, records: Iterable[Record]) -> Iterable[Any]:
        yield from enumerate(records)


def _split_name(name: str) -> str:
    """Return a name that tfds can read in a split expression; "all" is one itself."""
    return "all_" if name == "all" else re.sub(r"\W", "_", name)


def write(directory: Path, tables: Mapping[str, Table]) -> None:
    """Write tables into a new directory, which appears only when it is complete.

    Raises:
        OSError: The disk is full; nothing is left behind.
        ValueError: Two splits of a table have too similar names.
    """
    for name, table in tables.items():
        if len(set(map(_split_name, table.splits))) < len(table.splits):
            raise ValueError(
                f"splits of {name} differ in punctuation alone: {sorted(table.splits)}; "
                "rename one"
            )
    tfds.disable_progress_bar()
    full = (
        f"no space left on the disk while writing {directory}; nothing was kept: free "
        "some space, or choose another data directory"
    )
    with (
        staging.full_disk_explained(full),
        staging.folder(directory, shared=True) as made,
    ):
        for name, table in tables.items():
            # tfds announces itself on the standard output.
            with contextlib.redirect_stdout(io.StringIO()):
                builder = Records(name=name, table=table, data_dir=str(made))
                builder.download_and_prepare()
        shutil.rmtree(made / "downloads", ignore_errors=True)


def metadata(directory: Path, table: str) -> dict[str, Any]:
    """Return the metadata of a table."""
    return dict(_builder(directory, table).info.metadata or {})


def _builder(directory: Path, table: str) -> Any:
    path = directory / table / str(Records.VERSION)
    if not path.is_dir():
        raise FileNotFoundError(
            f"{directory} holds no prepared {table}; prepare it again "
            "(python -m optical_jax.prepare)"
        )
    return tfds.builder_from_directory(path)


@dataclass(frozen=True)
class Split(Sequence[Record]):
    """Random access to the records of one split; text comes back as `str`."""

    directory: Path
    table: str
    name: str

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: Any) -> Any:
        """Return one record, or a list of them for a slice."""
        if isinstance(index, slice):
            return self.__getitems__(range(len(self))[index])
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Record]:
        """Return several records at once, which is faster than one by one."""
        positions = [range(len(self))[int(i)] for i in indices]
        source = self._source
        try:
            found = source.__getitems__(positions)
        except (RuntimeError, OSError) as error:
            raise ValueError(
                f"{self.directory}: a record of {self.table}, split {self.name!r}, is "
                f"damaged ({error}); delete the directory and run again"
            ) from error
        return [{key: _plain(value) for key, value in row.items()} for row in found]

    def __getstate__(self) -> dict[str, Any]:
        # An open file does not travel to another process.
        return {"directory": self.directory, "table": self.table, "name": self.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @functools.cached_property
    def _source(self) -> Any:
        builder = _builder(self.directory, self.table)
        if _split_name(self.name) not in builder.info.splits:
            raise ValueError(
                f"{self.directory} has no split {self.name!r} of {self.table}; it has "
                f"{', '.join(sorted(builder.info.splits))}"
            )
        split = builder.info.splits[_split_name(self.name)]
        for file, expected in zip(split.filepaths, split.shard_lengths, strict=True):
            self._check(str(file), expected)
        return builder.as_data_source(split=_split_name(self.name))

    def _check(self, file: str, expected: int) -> None:
        """Check a file's number of records; a cut file may read as empty records."""
        try:
            reader = array_record_module.ArrayRecordReader(file)
            found = reader.num_records() if reader.ok() else 0
            reader.close()
        except (RuntimeError, OSError, ValueError):
            found = 0
        if found != expected:
            raise ValueError(
                f"{file} is damaged or cut off ({found} of {expected} records can be "
                f"read); delete the directory {self.directory} and run again"
            )


@dataclass(frozen=True)
class Part(Sequence[Record]):
    """Some records of a split, by their positions in it."""

    whole: Split
    kept: np.ndarray

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: Any) -> Any:
        """Return one record, or a list of them for a slice."""
        if isinstance(index, slice):
            return self.__getitems__(range(len(self))[index])
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Record]:
        """Return several records at once, which is faster than one by one."""
        return self.whole.__getitems__([int(self.kept[i]) for i in indices])


def _plain(value: Any) -> str | int:
    return value.decode() if isinstance(value, bytes) else int(value)
