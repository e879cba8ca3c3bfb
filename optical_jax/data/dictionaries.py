"""Bilingual dictionaries as they are published, looked up by the words of a text.

Keys are sequences of words as `alignment.word_tokenize` gives them, so that case,
punctuation and the composition of accents make no difference; translations stay as they
are written. Nothing is inflected: a form that has no entry has no translation.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from optical_jax.data import alignment, dictionary_files, lexicon_file, textfile

Key = tuple[str, ...]


class Translation(NamedTuple):
    """What an entry may be replaced by; an empty text says that nothing stands for it."""

    text: str
    probability: float


Entries = Mapping[Key, tuple[Translation, ...]]


@dataclass(frozen=True, kw_only=True)
class DictionarySource:
    """Name a dictionary and say how to read it.

    Words are translated from the first language of a file into the second; `reverse`
    turns that round. Files may be gzip, or lie in a zip archive.
    """

    # "muse": a word and a translation a line, apart by blanks; "gatitos": English and a
    # translation, apart by a tab; "tei": FreeDict's TEI XML; "tsv": two columns of one or
    # more words; "lexicon": what `prepare lexicon` wrote; "bitext": learnt from the
    # sentences that the run trains on, without a file.
    format: Literal["muse", "gatitos", "tei", "tsv", "lexicon", "bitext"]
    # The file, relative to the data root; empty for "bitext".
    path: str = ""
    # Whether to translate from the second language into the first; for "bitext", from the
    # target's into the source's.
    reverse: bool = False
    # Dictionaries of one language are used as one, an earlier one's entries before those
    # of later ones; several languages take turns.
    language: str = ""
    # Most words of an entry ("bitext"); 1 is a word-by-word lexicon.
    max_words: int = 4
    # Less probable translations are left out ("bitext").
    min_probability: float = 0.1

    def __post_init__(self) -> None:
        """Check that the fields the format needs are there, and the ranges."""
        if (self.format == "bitext") == bool(self.path):
            rule = "reads no file" if self.path else "needs a path"
            raise ValueError(f"dictionary format {self.format!r} {rule}: {self.path!r}")
        if self.max_words < 1:
            raise ValueError(
                f"dictionary max_words must be at least 1, got {self.max_words}"
            )
        if not 0 <= self.min_probability < 1:
            raise ValueError(
                "dictionary min_probability must be at least 0 and below 1, got "
                f"{self.min_probability}"
            )


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """Entries of one language, and what some of them mean where the context tells.

    Attributes:
        entries: Key -> translations.
        questions: The same for words in questions ("who" asks there, and elsewhere
            relates); keys that are not here mean what `entries` says.
        names: The same for words capitalised inside a sentence; None where that is not
            known, else keys that are not here are names without a translation.
    """

    language: str = ""
    entries: Entries
    questions: Entries = dataclasses.field(default_factory=dict)
    names: Entries | None = None

    @functools.cached_property
    def longest(self) -> int:
        """The most words of an entry."""
        tables = (self.entries, self.questions, self.names or {})
        return max((len(key) for table in tables for key in table), default=0)

    def find(
        self, words: Sequence[str], *, question: bool = False, name: bool = False
    ) -> tuple[int, tuple[Translation, ...]] | None:
        """Return the longest entry that words begin with: its length and translations."""
        for length in range(min(self.longest, len(words)), 0, -1):
            key = tuple(words[:length])
            if name and self.names is not None:
                found = self.names.get(key)
            else:
                found = self.questions.get(key) if question else None
                found = found or self.entries.get(key)
            if found:
                return length, found
        return None


def read(source: DictionarySource, *, root: Path) -> Dictionary:
    """Read a dictionary that is a file.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: A line or an element is not what the format says, or there is none.
    """
    path = root / source.path
    if source.format == "lexicon":
        dictionary = _of_lexicon(path, reverse=source.reverse)
    else:
        rows = dictionary_files.read(path, source.format)
        dictionary = Dictionary(
            entries=collect((*_turned(row, source.reverse), 1.0) for row in rows)
        )
    if not dictionary.entries:
        raise ValueError(f"{path} has no entry: it is empty or not {source.format!r}")
    return dataclasses.replace(dictionary, language=source.language)


def collect(rows: Iterable[tuple[str, str, float]]) -> Entries:
    """Return the entries of (words, translation, weight); weights sum to one a key."""
    weights: dict[Key, dict[str, float]] = {}
    for word, translation, weight in rows:
        key = tuple(alignment.word_tokenize(word))
        if key and weight > 0:
            weights.setdefault(key, {})[textfile.normalize(translation)] = weight
    return {key: _translations(found) for key, found in weights.items()}


def _translations(weights: dict[str, float]) -> tuple[Translation, ...]:
    total = sum(weights.values())
    ordered = sorted(weights.items(), key=lambda e: (-e[1], e[0]))
    return tuple(Translation(text, weight / total) for text, weight in ordered)


def merge(dictionaries: Sequence[Dictionary]) -> list[Dictionary]:
    """Join the dictionaries of each language; the first that has an entry gives it.

    Measured on held-out Swahili, a small dictionary of base forms made the glosses of one
    learnt from bitext worse where it had a say in the same entries.
    """
    languages: dict[str, list[Dictionary]] = {}
    for dictionary in dictionaries:
        languages.setdefault(dictionary.language, []).append(dictionary)
    return [
        Dictionary(
            language=language,
            entries=_joined([d.entries for d in group]),
            questions=_joined([d.questions for d in group]),
            names=_joined_names(group),
        )
        for language, group in languages.items()
    ]


def _joined_names(group: Sequence[Dictionary]) -> Entries | None:
    if all(d.names is None for d in group):
        return None
    return _joined([d.entries if d.names is None else d.names for d in group])


def _joined(tables: Sequence[Entries]) -> Entries:
    return {key: found for table in reversed(tables) for key, found in table.items()}


def _turned(row: tuple[str, str], reverse: bool) -> tuple[str, str]:
    return (row[1], row[0]) if reverse else row


def _of_lexicon(path: Path, *, reverse: bool) -> Dictionary:
    rows = list(lexicon_file.read(path))
    tables = {
        context: collect(
            (*_turned((row.words, row.translation), reverse), row.probability)
            for row in rows
            if row.context == context
        )
        for context in lexicon_file.CONTEXTS
    }
    if reverse:
        # What a context says of one language, it does not say of the other.
        return Dictionary(entries=tables["any"])
    names = tables["name"] or None
    return Dictionary(entries=tables["any"], questions=tables["question"], names=names)
