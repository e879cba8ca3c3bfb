"""Training pairs made of bitext, dictionaries and texts of the teacher's language alone.

Each kind of pair is a source of its own: cleaned, counted and excluded as bitext is, and
kept as array_record under a name made of everything it depends on. Held-out sentences are
neither used nor made.
"""

import dataclasses
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from optical_jax.data import (
    bitext,
    bitext_lexicon,
    clean,
    code_switch,
    question_heads,
    texts,
)
from optical_jax.data.bitext import Bitext
from optical_jax.data.bitext_lexicon import BitextLexicon
from optical_jax.data.dictionaries import DictionarySource
from optical_jax.data.made_queries import QueryMaker
from optical_jax.data.sources import Pair
from optical_jax.data.texts import TextSource

# Goes up when the same inputs and settings give other pairs than before.
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class SyntheticSource:
    """Say which pairs to make; the teacher's language is always the source."""

    # Names the source in reports, and the origin of each of its pairs.
    name: str
    # "code-switch": a text, and the same with words replaced by translations;
    # "phrases": phrases cut from bitext; "keywords": some words of a sentence pair;
    # "questions": questions of the bitext, a phrase of each exchanged for another.
    kind: Literal["code-switch", "phrases", "keywords", "questions"]
    # How often its pairs are drawn, relative to the other sources'.
    weight: float = 1.0
    # Pairs tried for each text or sentence pair.
    per_text: int = 1
    # Texts or sentence pairs that are taken, drawn from all; 0 takes all.
    limit: int = 0
    # The texts that are switched; None: the source side of the bitext ("code-switch").
    texts: TextSource | None = None
    # That a word with a translation is replaced, and by which ("code-switch").
    probability: float = 1.0
    choice: code_switch.Choice = "weighted"
    # That a word that no dictionary holds is respelt as the bitext respells names
    # ("code-switch").
    respelt: float = 0.0
    # From the teacher's language ("code-switch").
    dictionaries: tuple[DictionarySource, ...] = (DictionarySource(format="bitext"),)
    # Share that becomes questions, begun as the bitext's questions begin ("phrases",
    # "keywords").
    asked: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        where = f"synthetic source {self.name!r}"
        if not self.name or "/" in self.name:
            raise ValueError(f"{where}: a name is not empty and has no '/'")
        if not self.weight > 0:
            raise ValueError(f"{where}: weight must be positive, got {self.weight}")
        for name, least in (("per_text", 1), ("limit", 0)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{where}: {name} must be at least {least}, got {getattr(self, name)}"
                )
        for name in ("probability", "respelt", "asked"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"{where}: {name} must be between 0 and 1, got {getattr(self, name)}"
                )
        if self.kind == "code-switch" and not (self.probability and self.dictionaries):
            raise ValueError(
                f"{where}: code-switch needs dictionaries and a probability above 0"
            )


def prepare(
    sources: Sequence[SyntheticSource],
    prepared: Bitext,
    *,
    root: Path,
    data_dir: Path,
    cleaning: clean.CleaningConfig,
    excluded_texts: Collection[str] = frozenset(),
    seed: int = 0,
) -> Bitext:
    """Return made pairs as bitext with a split "train", making them unless they are there.

    Args:
        sources: What to make; of two equal pairs the first source keeps it.
        prepared: The bitext of the run; its training pairs alone are used.
        root: The directory that file names are relative to.
        data_dir: Where the directory of the pairs, and learnt lexicons, are made.
        cleaning: What is dropped.
        excluded_texts: Documents and queries of evaluation collections.
        seed: Of every draw.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file cannot be read, two sources have one name, no pair is left.
        OSError: The disk is full; nothing is left behind.
    """
    taken = prepared.report.keys()
    names = [source.name for source in sources]
    twice = sorted({n for n in names if names.count(n) > 1 or n in taken})
    if twice or not names:
        raise ValueError(
            f"synthetic sources need names of their own, at least one; got {names}, and "
            f"the bitext has {sorted(taken)}"
        )
    settings = {
        "format": [_FORMAT, bitext_lexicon.FORMAT],
        "bitext": [prepared.directory.name, prepared.limit],
        "sources": [_without_weight(source) for source in sources],
        "cleaning": dataclasses.asdict(cleaning),
        "seed": seed,
    }
    files = [root / name for source in sources for name in _files(source)]
    digest = bitext.digest(settings, files, excluded_texts)
    directory = data_dir / f"synthetic-{digest}"
    if not directory.is_dir():
        lexicon = BitextLexicon(prepared, data_dir=data_dir)
        held_out = prepared.pairs("validation")
        bitext.write(
            directory,
            {s.name: make(s, lexicon, root=root, seed=seed) for s in sources},
            cleaning=cleaning,
            excluded_texts={
                *excluded_texts,
                *(text for pair in held_out for text in pair),
            },
        )
    return Bitext(directory)


def _without_weight(source: SyntheticSource) -> dict[str, Any]:
    """Return the settings of a source that what is made depends on."""
    return {k: v for k, v in dataclasses.asdict(source).items() if k != "weight"}


def _files(source: SyntheticSource) -> list[str]:
    if source.kind != "code-switch":
        return []
    dictionaries = [d.path for d in source.dictionaries if d.path]
    return dictionaries + ([source.texts.path] if source.texts else [])


def make(
    source: SyntheticSource, lexicon: BitextLexicon, *, root: Path, seed: int
) -> list[Pair]:
    """Make the pairs of one source, not yet cleaned; the same for the same seed."""
    rng = np.random.default_rng((seed, zlib.crc32(source.name.encode())))
    if source.kind == "code-switch":
        return _switched(source, lexicon, root, rng)
    maker = QueryMaker(lexicon.linked)
    try_one = {
        "phrases": maker.phrase,
        "keywords": maker.keywords,
        "questions": maker.question,
    }[source.kind]
    heads = question_heads.learn(lexicon.linked) if source.asked else {}
    pairs = []
    for number in _taken(len(lexicon.linked), source, rng):
        pair = try_one(number, rng)
        if pair is not None and heads and rng.random() < source.asked:
            pair = question_heads.ask(pair, heads, rng)
        pairs += [] if pair is None else [pair]
    return pairs


def _switched(
    source: SyntheticSource,
    lexicon: BitextLexicon,
    root: Path,
    rng: np.random.Generator,
) -> list[Pair]:
    if source.texts is None:
        given = [pair.source for pair in lexicon.prepared.pairs("train")]
    else:
        given = texts.read(source.texts, root=root)
    switcher = code_switch.CodeSwitcher(
        dictionaries=lexicon.dictionaries(source.dictionaries, root=root),
        probability=source.probability,
        choice=source.choice,
        transliterator=lexicon.transliterator if source.respelt else None,
        respelt=source.respelt,
    )
    taken = _taken(len(given), source, rng)
    return [Pair(given[i], switcher.switch(given[i], rng)) for i in taken]


def _taken(total: int, source: SyntheticSource, rng: np.random.Generator) -> list[int]:
    """Return which texts are taken, each as often as the source says."""
    drawn = np.sort(rng.permutation(total)[: source.limit or total])
    return np.repeat(drawn, source.per_text).tolist()
