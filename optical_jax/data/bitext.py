"""Prepare bitext for training: read, clean, hold out, and keep it as array_record.

What is prepared depends on the contents of the files and on the settings alone, and so
does the name of its directory: the same inputs are prepared once.
"""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from optical_jax.data import clean, records, sources, textfile

# Goes up when the same inputs and settings give other records than before.
_FORMAT = 1
_TABLE = "bitext"
_COLUMNS = {"id": str, "origin": str, "source": str, "target": str}


@dataclass(frozen=True)
class Bitext:
    """Prepared bitext: splits "train" and "validation" of parallel sentences.

    A record has an `id` ("name/n", the n-th pair read from that source), its `origin`
    (the name of the source), `source` and `target`. With a limit, "train" has so many
    pairs at most, drawn from all sources; a lower limit keeps some of the same pairs.
    """

    directory: Path
    limit: int = 0

    @property
    def report(self) -> dict[str, dict[str, int]]:
        """Source -> how many pairs were read, dropped by each reason, kept, held out."""
        return records.metadata(self.directory, _TABLE)["report"]

    def split(self, name: str) -> records.Split | records.Part:
        """Return random access to the records of "train" or "validation"."""
        whole = records.Split(self.directory, _TABLE, name)
        if name != "train" or not self.limit:
            return whole
        return records.Part(whole, self._kept(len(whole)))

    def _kept(self, total: int) -> Int[np.ndarray, " n"]:
        order = np.random.default_rng(0).permutation(total)
        return np.sort(order[: self.limit])

    def pairs(self, name: str) -> list[sources.Pair]:
        """Return the sentences of a split."""
        rows = self.split(name)[:]
        return [sources.Pair(row["source"], row["target"]) for row in rows]

    def origins(self, name: str) -> dict[str, np.ndarray]:
        """Return source -> the indices of its records in a split; none may be left."""
        sizes = records.metadata(self.directory, _TABLE)["origins"]
        if name not in sizes:
            raise ValueError(
                f"{self.directory} has no split {name!r}; it has {', '.join(sizes)}"
            )
        ends = np.cumsum(list(sizes[name].values()))
        bounds = np.concatenate([[0], ends])
        if name == "train" and self.limit:
            bounds = np.searchsorted(self._kept(int(ends[-1])), bounds)
        return {
            origin: np.arange(begin, end)
            for origin, begin, end in zip(
                sizes[name], bounds[:-1], bounds[1:], strict=True
            )
        }


def prepare(
    bitext_sources: Sequence[sources.BitextSource],
    *,
    root: Path,
    data_dir: Path,
    cleaning: clean.CleaningConfig,
    validation_fraction: float = 0.02,
    seed: int = 0,
    excluded_texts: Collection[str] = frozenset(),
) -> Bitext:
    """Return the prepared bitext of some sources, preparing it unless it is there.

    The held-out pairs are chosen by a hash of their source sentence, so that a sentence
    is never in both splits, whichever sources it comes from.

    Args:
        bitext_sources: What to read; of two equal pairs the first source keeps it.
        root: The directory that the sources' file names are relative to.
        data_dir: Where the directory of the prepared bitext is made.
        cleaning: What is dropped.
        validation_fraction: The part of each source that is held out, about.
        seed: Chooses which part.
        excluded_texts: Documents and queries of evaluation collections.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file cannot be read, two sources have one name, no pair is left.
        OSError: The disk is full; nothing is left behind.
    """
    _check(bitext_sources, validation_fraction)
    settings = {
        "format": _FORMAT,
        "sources": [_without_weight(source) for source in bitext_sources],
        "cleaning": dataclasses.asdict(cleaning),
        "validation_fraction": validation_fraction,
        "seed": seed,
    }
    files = [file for source in bitext_sources for file in source.files(root=root)]
    directory = data_dir / f"bitext-{digest(settings, files, excluded_texts)}"
    if not directory.is_dir():
        write(
            directory,
            {s.name: sources.read(s, root=root) for s in bitext_sources},
            cleaning=cleaning,
            excluded_texts=excluded_texts,
            validation_fraction=validation_fraction,
            seed=seed,
        )
    return Bitext(directory)


def write(
    directory: Path,
    read: dict[str, list[sources.Pair]],
    *,
    cleaning: clean.CleaningConfig,
    excluded_texts: Collection[str],
    validation_fraction: float = 0.0,
    seed: int = 0,
) -> None:
    """Clean the pairs of some sources, hold a part out, and write what `Bitext` reads.

    Raises:
        ValueError: No pair is left.
        OSError: The disk is full; nothing is left behind.
    """
    table = _table(read, cleaning, excluded_texts, validation_fraction, seed)
    records.write(directory, {_TABLE: table})


def _check(
    bitext_sources: Sequence[sources.BitextSource], validation_fraction: float
) -> None:
    names = [source.name for source in bitext_sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ValueError(
            f"bitext sources need names that differ, at least one; got {names}"
        )
    if not 0 <= validation_fraction < 1:
        raise ValueError(
            "validation_fraction must be at least 0 and below 1, got "
            f"{validation_fraction}"
        )


def _without_weight(source: sources.BitextSource) -> dict[str, Any]:
    """Return the settings of a source that what is read from it depends on."""
    return {k: v for k, v in dataclasses.asdict(source).items() if k != "weight"}


def digest(
    settings: dict[str, Any], files: Sequence[Path], excluded_texts: Collection[str]
) -> str:
    """Return a name for what is made of settings that JSON can hold, files and texts."""
    found = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for file in files:
        with textfile.open_binary(file) as opened:
            found.update(hashlib.file_digest(opened, "sha256").digest())
    for text in sorted(set(excluded_texts)):
        found.update(hashlib.sha256(text.encode()).digest())
    return found.hexdigest()[:16]


def _table(
    read: dict[str, list[sources.Pair]],
    cleaning: clean.CleaningConfig,
    excluded_texts: Collection[str],
    validation_fraction: float,
    seed: int,
) -> records.Table:
    exclusion = clean.Exclusion(excluded_texts, words=cleaning.overlap_words)
    seen: set[tuple[str, str]] = set()
    report: dict[str, dict[str, int]] = {}
    kept: list[records.Record] = []
    for name, pairs in read.items():
        found = clean.reasons(pairs, cleaning, exclusion=exclusion, seen=seen)
        report[name] = clean.count(found)
        kept += [
            {"id": f"{name}/{i}", "origin": name, **pairs[i]._asdict()}
            for i, reason in enumerate(found)
            if reason is None
        ]
    splits = _hold_out(kept, validation_fraction, seed)
    if not splits["train"]:
        raise ValueError(
            f"no pair is left to train on after cleaning and holding out: {report}"
        )
    origins = {
        split: {
            origin: len(list(group))
            for origin, group in itertools.groupby(rows, key=lambda row: row["origin"])
        }
        for split, rows in splits.items()
    }
    for name, counts in report.items():
        counts |= {split: sizes.get(name, 0) for split, sizes in origins.items()}
    return records.Table(
        columns=_COLUMNS,
        splits=splits,
        metadata={"report": report, "origins": origins},
    )


def _hold_out(
    kept: list[records.Record], fraction: float, seed: int
) -> dict[str, list[records.Record]]:
    draws = list(_draws(kept, seed))
    # A small bitext gets at least one held-out sentence.
    threshold = max([fraction, *sorted(draws)[:1]]) if fraction else -1.0
    splits: dict[str, list[records.Record]] = {"train": [], "validation": []}
    for row, draw in zip(kept, draws, strict=True):
        splits["validation" if draw <= threshold else "train"].append(row)
    return {name: rows for name, rows in splits.items() if rows or name == "train"}


def _draws(kept: list[records.Record], seed: int) -> Iterator[float]:
    """Yield a number in [0, 1) for each record, the same for the same source sentence."""
    for row in kept:
        key = f"{seed} {textfile.match_key(row['source'])}"
        digest = hashlib.sha256(key.encode()).digest()
        yield int.from_bytes(digest[:6], "big") / 2**48
