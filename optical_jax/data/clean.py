"""Drop the pairs of a bitext source that would teach nothing or something wrong.

Every pair is dropped for one reason, the first that holds in the order of `REASONS`.
Nothing here knows a language: what is usual in a source is measured on the source.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from optical_jax.data import scripts, textfile
from optical_jax.data.sources import Pair

REASONS = ("empty", "long", "copy", "script", "length_ratio", "overlap", "duplicate")


@dataclass(frozen=True, kw_only=True)
class CleaningConfig:
    """Set what is dropped; "empty" and "duplicate" always are."""

    # Longest side that is kept, in characters.
    max_characters: int = 1000
    # Drop pairs whose sides are equal but for case and punctuation.
    copies: bool = True
    # Drop pairs with a side mostly in another script than the rest of the source.
    script: bool = True
    # Drop pairs whose logarithm of target length over source length lies more than this
    # many robust standard deviations from the source's median; 0 keeps all.
    ratio_deviations: float = 6.0
    # Drop pairs with a side that shares this many consecutive words with a text of an
    # evaluation collection; 0 compares whole texts only.
    overlap_words: int = 13

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.max_characters < 1:
            raise ValueError(
                f"cleaning.max_characters must be positive, got {self.max_characters}"
            )
        for name in ("ratio_deviations", "overlap_words"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"cleaning.{name} must not be negative, got {getattr(self, name)}; "
                    "0 turns the check off"
                )


class Exclusion:
    """The texts that no pair may share, because retrieval is measured on them."""

    def __init__(self, texts: Iterable[str], *, words: int) -> None:
        keys = [textfile.match_key(text) for text in texts]
        self._words = words
        self._whole = frozenset(key for key in keys if key)
        # Hashes instead of the word sequences themselves: a fifth of the memory.
        self._sequences = frozenset(h for key in keys for h in self._hashes(key))

    def _hashes(self, key: str) -> list[int]:
        if not self._words:
            return []
        split = key.split()
        starts = range(len(split) - self._words + 1)
        return [hash(tuple(split[i : i + self._words])) for i in starts]

    def holds(self, key: str) -> bool:
        """Tell whether a text, given as its match key, is or overlaps one of these."""
        return key in self._whole or not self._sequences.isdisjoint(self._hashes(key))


def clean(
    pairs: Sequence[Pair],
    config: CleaningConfig,
    *,
    excluded_texts: Collection[str] = frozenset(),
) -> tuple[list[Pair], dict[str, int]]:
    """Return the pairs of one source that are kept, and how many were not, by reason.

    Args:
        pairs: The pairs of one source as `sources.read` returns them.
        config: What is dropped.
        excluded_texts: Documents and queries of evaluation collections.
    """
    exclusion = Exclusion(excluded_texts, words=config.overlap_words)
    found = reasons(pairs, config, exclusion=exclusion, seen=set())
    kept = [pair for pair, reason in zip(pairs, found, strict=True) if reason is None]
    return kept, count(found)


def count(found: Sequence[str | None]) -> dict[str, int]:
    """Return how many pairs there were, how many each reason dropped, how many stay."""
    counts = Counter(found)
    return (
        {"read": len(found)}
        | {reason: counts[reason] for reason in REASONS}
        | {"kept": counts[None]}
    )


def reasons(
    pairs: Sequence[Pair],
    config: CleaningConfig,
    *,
    exclusion: Exclusion,
    seen: set[tuple[str, str]],
) -> list[str | None]:
    """Return for each pair why it is dropped, or None where it is kept.

    Args:
        pairs: The pairs of one source.
        config: What is dropped.
        exclusion: Texts of evaluation collections.
        seen: Keys of the pairs kept so far, of this source and others; added to.
    """
    keys = [(textfile.match_key(s), textfile.match_key(t)) for s, t in pairs]
    found: list[str | None] = [
        _reason_of_one(pair, key, config) for pair, key in zip(pairs, keys, strict=True)
    ]
    if config.script:
        _mark(found, "script", _odd_scripts(pairs, found))
    if config.ratio_deviations:
        odd = _odd_lengths(pairs, found, deviations=config.ratio_deviations)
        _mark(found, "length_ratio", odd)
    for i, key in enumerate(keys):
        if found[i] is not None:
            continue
        if exclusion.holds(key[0]) or exclusion.holds(key[1]):
            found[i] = "overlap"
        elif key in seen:
            found[i] = "duplicate"
        else:
            seen.add(key)
    return found


def _reason_of_one(
    pair: Pair, key: tuple[str, str], config: CleaningConfig
) -> str | None:
    # A key is empty where the text has neither letters nor digits.
    if not all(key):
        return "empty"
    if max(map(len, pair)) > config.max_characters:
        return "long"
    if config.copies and key[0] == key[1]:
        return "copy"
    return None


def _mark(found: list[str | None], reason: str, odd: Iterable[int]) -> None:
    for i in odd:
        found[i] = reason


def _odd_scripts(pairs: Sequence[Pair], found: Sequence[str | None]) -> list[int]:
    kept = [i for i, reason in enumerate(found) if reason is None]
    source_scripts = scripts.usual(pairs[i].source for i in kept)
    target_scripts = scripts.usual(pairs[i].target for i in kept)
    return [
        i
        for i in kept
        if not scripts.is_mostly(pairs[i].source, source_scripts)
        or not scripts.is_mostly(pairs[i].target, target_scripts)
    ]


def _odd_lengths(
    pairs: Sequence[Pair], found: Sequence[str | None], *, deviations: float
) -> list[int]:
    kept = [i for i, reason in enumerate(found) if reason is None]
    if not kept:
        return []
    # Ten characters more on both sides: short sentences vary more, for no fault.
    ratios = np.array(
        [
            math.log((len(pairs[i].target) + 10) / (len(pairs[i].source) + 10))
            for i in kept
        ]
    )
    distance = np.abs(ratios - np.median(ratios))
    # 1.4826 times the median distance is the standard deviation of a normal variable.
    # No less than log(1.1): a source of near-equal lengths has next to no spread.
    sigma = max(1.4826 * float(np.median(distance)), math.log(1.1))
    return [kept[j] for j in np.flatnonzero(distance > deviations * sigma)]
