"""Training examples for retrieval, drawn from one source or several in several languages.

An example is a query and a fixed number of documents, the relevant one first. Languages
mix in one of the three ways of Multilingual Translate-Distill (Yang, Lawrie, Mayfield, SIGIR
2024, arXiv 2405.00977).
"""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from optical_jax.data.ranking_ids import IdEntries, JudgedEntries
from optical_jax.data.ranking_json import JsonEntries, PairEntries
from optical_jax.data.ranking_sources import Entries, Entry, RankingSource

# "mix-entries": every entry is in one language, entries of all languages mix in a batch.
# "mix-passages": the documents of one query are in languages drawn for each of them.
# "round-robin-entries": every entry is in its batch once in each language.
Mixing = Literal["mix-entries", "mix-passages", "round-robin-entries"]


class _Chosen(NamedTuple):
    """Names of documents, the relevant one first, and their scores."""

    documents: list[str]
    scores: list[float] | None


class RankingExamples:
    """Fields "query" and "document" (the positive, then k negatives), "scores" if all have.

    In the mixing "round-robin-entries" an example has a query for each language, and the
    documents of each query after those of another.
    """

    def __init__(
        self,
        sources: Sequence[RankingSource],
        *,
        root: Path,
        cache: Path,
        negatives: int,
        mixing: Mixing = "mix-entries",
        seed: int = 0,
    ):
        """Open the sources.

        Args:
            sources: where examples come from.
            root: what their file names are relative to.
            cache: where arrays that give access to their files are kept.
            negatives: negatives of each example.
            mixing: how languages mix.
            seed: of what is drawn: negatives, and the languages of documents.

        Raises:
            FileNotFoundError: if a file is missing.
            ValueError: naming a malformed line or a source with too few negatives; if the
                sources do not suit the mixing.
        """
        names = [source.name for source in sources]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"data.ranking needs sources with names that differ, got {names}"
            )
        self._sources = sources
        self._entries = [_load(source, root=root, cache=cache) for source in sources]
        self._negatives, self._mixing, self._seed = negatives, mixing, seed
        self._parallel = _parallel(sources, mixing)
        for source, entries in zip(sources, self._entries, strict=True):
            _check_counts(source, entries, negatives)
        ends = np.cumsum([len(entries.counts) for entries in self._entries])
        self._starts = np.concatenate([[0], ends])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def languages(self) -> int:
        """Queries an example has: several in the mixing "round-robin-entries"."""
        round_robin = self._mixing == "round-robin-entries"
        return len(self._parallel[0]) if round_robin else 1

    @property
    def scored(self) -> bool:
        """Whether the documents of every example have scores."""
        return all(entries.scored.all() for entries in self._entries)

    def groups(self) -> list[tuple[np.ndarray, float]]:
        """Return the indices and the weight of each source that is drawn from."""
        drawn = range(len(self._sources))
        if self._mixing == "round-robin-entries":
            # One of the parallel sources stands for all of them.
            drawn = sorted({group[0] for group in self._parallel})
        return [
            (np.arange(*self._starts[i : i + 2]), self._sources[i].weight)
            for i in drawn
        ]

    def positives(self, indices: np.ndarray) -> np.ndarray:
        """Return a hash of each example's first document, equal for equal documents."""
        places = np.searchsorted(self._starts, indices, side="right") - 1
        found = np.empty(len(indices), np.int64)
        for i, entries in enumerate(self._entries):
            mine = places == i
            found[mine] = entries.positives[indices[mine] - self._starts[i]]
        return found

    def read(self, indices: np.ndarray) -> list[dict[str, list]]:
        """Return the texts of several examples; what is drawn depends on all of them."""
        rng = np.random.default_rng((self._seed, zlib.crc32(indices.tobytes())))
        return [self._example(int(index), rng) for index in indices]

    def _example(self, index: int, rng: np.random.Generator) -> dict[str, list]:
        place = int(np.searchsorted(self._starts, index, side="right")) - 1
        number = index - int(self._starts[place])
        entry = self._entries[place].entry(number)
        chosen = self._choose(place, entry, rng)
        row: dict[str, list] = {"query": [entry.query], "document": []}
        if self._mixing == "round-robin-entries":
            group = [self._entries[i] for i in self._parallel[place]]
            row["query"] = [entries.entry(number).query for entries in group]
            row["document"] = [e.document(d) for e in group for d in chosen.documents]
        else:
            for name in chosen.documents:
                which = place
                if self._mixing == "mix-passages":
                    which = int(rng.choice(self._parallel[place]))
                row["document"].append(self._entries[which].document(name))
        if chosen.scores is not None:
            row["scores"] = chosen.scores * len(row["query"])
        return row

    def _choose(self, place: int, entry: Entry, rng: np.random.Generator) -> _Chosen:
        """Choose 1 + negatives documents of an entry, or of the pool if it has too few."""
        wanted, documents = 1 + self._negatives, list(entry.documents)
        if len(documents) < wanted:
            others = self._drawn(place, entry, wanted - len(documents), rng)
            return _Chosen(documents + others, None)
        if self._sources[place].first_is_positive:
            rest = 1 + rng.permutation(len(documents) - 1)[: wanted - 1]
            kept = [0, *sorted(rest.tolist())]
        else:
            kept = rng.permutation(len(documents))[:wanted].tolist()
            if entry.scores is not None:
                kept.sort(key=lambda i: -entry.scores[i])
        scores = (
            None if entry.scores is None else [float(entry.scores[i]) for i in kept]
        )
        return _Chosen([documents[i] for i in kept], scores)

    def _drawn(
        self, place: int, entry: Entry, count: int, rng: np.random.Generator
    ) -> list[str]:
        """Draw other documents of the source at random."""
        entries, found = self._entries[place], []
        known = {*entry.documents, *entry.relevant}
        for _ in range(100 * count):
            name = entries.pooled(int(rng.integers(entries.pool)))
            if name not in known:
                known.add(name)
                found.append(name)
            if len(found) == count:
                return found
        raise ValueError(
            f"ranking source {self._sources[place].name!r} has too few documents to draw "
            f"data.negatives ({self._negatives}) from; lower it"
        )


def _load(source: RankingSource, *, root: Path, cache: Path) -> Entries:
    if source.format == "jsonl":
        return JsonEntries(root / source.examples, cache=cache)
    if source.format == "pairs":
        return PairEntries(root / source.examples, source, cache=cache)
    if source.format == "beir":
        return JudgedEntries(root / source.collection, source, cache=cache)
    return IdEntries(source, root=root, cache=cache)


def _check_counts(source: RankingSource, entries: Entries, negatives: int) -> None:
    few = np.flatnonzero(entries.counts < 1 + negatives)
    # Formats that bring no negatives have them drawn from their documents.
    if len(few) and source.format in ("jsonl", "ids"):
        raise ValueError(
            f"ranking source {source.name!r}: example {few[0] + 1} of {source.examples} "
            f"has {entries.counts[few[0]] - 1} negatives, data.negatives asks for "
            f"{negatives}; lower it or give more"
        )


def _parallel(sources: Sequence[RankingSource], mixing: Mixing) -> list[list[int]]:
    """Return for each source those that hold the same examples in other languages."""
    groups = [
        [
            i
            for i, other in enumerate(sources)
            if (other.format, other.examples) == (source.format, source.examples)
        ]
        if source.format == "ids"
        else [place]
        for place, source in enumerate(sources)
    ]
    if mixing == "mix-entries":
        return groups
    alone = [s.name for s, group in zip(sources, groups, strict=True) if len(group) < 2]
    if alone or len({len(group) for group in groups}) > 1:
        raise ValueError(
            f"data.language_mixing {mixing!r} needs sources of format 'ids' with the same "
            f"examples in equally many languages, two at least; got "
            f"{[[sources[i].name for i in group] for group in groups]}"
        )
    return groups
