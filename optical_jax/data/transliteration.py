"""How names of the teacher's language are spelt in another one, learnt from its bitext.

A joint n-gram model of pairs of short strings, "gh" with "g", "u" with "uw" (Bisani and Ney
2008): `data.spelling_units` finds which strings correspond, the sequence model which follow
each other. Words that translations copy are taken as they are by every reader; what
is learnt here are the others, in the same script ("Serbia", "Seribiya") or in another.
"""

import collections
import heapq
import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from optical_jax.data import spelling_units
from optical_jax.data.spelling_units import Unit

# Of two words that are spelt alike every character tells this much, in nats, of the
# other's on the mean; "Mungu" tells less of "God".
MIN_SHARED = 0.75
ROUNDS = 3
# Words that merely stand in the same sentences have to tell more; each name is given the
# one that tells most.
MIN_SHARED_BESIDE = 1.0
# Those that tell less at first are not looked at again.
MIN_LIKELY = 0.5
ROUNDS_BESIDE = 2
# Fewer pairs teach chance.
MIN_PAIRS = 50
# Names of a few thousand sentences teach no longer histories.
ORDER = 2
BEAM = 12
# A unit is looked for among this many of the likeliest for its source string.
CHOICES = 8
# Stands before the first unit and behind the last.
EDGE = Unit("", "")
# Between the parts of a spelling; no letter.
_CUT = "\x1f"


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """A word as the other language may spell it, and its share of what was considered."""

    text: str
    probability: float


class PartsSpelling(NamedTuple):
    """A word as the other language may spell it, by its parts, and its share."""

    texts: tuple[str, ...]
    probability: float


class Transliterator:
    """Spells words of the source language in the target language."""

    def __init__(self, sequences: Sequence[Sequence[Unit]]):
        """Count n-grams of units; sequences are aligned words (`learn`)."""
        # (source word, target word) of each.
        self.words = tuple(
            tuple(map("".join, zip(*units, strict=True))) for units in sequences
        )
        self._counts: dict[tuple[Unit, ...], collections.Counter[Unit]] = (
            collections.defaultdict(collections.Counter)
        )
        choices: dict[str, collections.Counter[Unit]] = collections.defaultdict(
            collections.Counter
        )
        for units in sequences:
            padded = [EDGE] * (ORDER - 1) + [*units, EDGE]
            for i in range(ORDER - 1, len(padded)):
                choices[padded[i].source][padded[i]] += 1
                for length in range(ORDER):
                    history = tuple(padded[i - length : i])
                    self._counts[history][padded[i]] += 1
        self._totals = {h: sum(c.values()) for h, c in self._counts.items()}
        self._choices = {
            source: [unit for unit, _ in counter.most_common(CHOICES)]
            for source, counter in choices.items()
            if source
        }
        self._kept: dict[tuple[Unit, ...], dict[Unit, float]] = collections.defaultdict(
            dict
        )

    def spell(self, word: str, *, k: int) -> list[Spelling]:
        """Return the k likeliest spellings of a word, best first.

        There is none of a word with letters that were never seen.

        Args:
            word: as in the pairs that were learnt from: case-folded, or not.
            k: how many.
        """
        return self._spell(word, frozenset(), k=k)

    def spell_parts(self, parts: Sequence[str], *, k: int) -> list[PartsSpelling]:
        """Return the k likeliest spellings of a word whose parts are spelt apart, best first.

        Args:
            parts: of the word, in their order; of what no unit of letters crosses.
            k: how many.
        """
        cuts = frozenset(itertools.accumulate(map(len, parts[:-1])))
        return [
            PartsSpelling(tuple(found.text.split(_CUT)), found.probability)
            for found in self._spell("".join(parts), cuts, k=k)
        ]

    def _spell(self, word: str, cuts: Set[int], *, k: int) -> list[Spelling]:
        """Return spellings with `_CUT` where so many characters of the word are read."""
        # Hypotheses by the characters read: {(history, text): log probability}.
        hypotheses = [{} for _ in range(len(word) + 1)]
        hypotheses[0] = {((EDGE,) * (ORDER - 1), ""): 0.0}
        for place in range(len(word)):
            best = heapq.nlargest(
                BEAM, hypotheses[place].items(), key=lambda item: (item[1], item[0][1])
            )
            fitting = []
            for unit in self._fitting(word, place, cuts):
                end = place + len(unit.source)
                target = unit.target + _CUT if end in cuts else unit.target
                fitting.append((unit, target, hypotheses[end]))
            for (history, text), score in best:
                for unit, target, reached in fitting:
                    state = ((*history[1:], unit), text + target)
                    total = score + self._log(history, unit)
                    if total > reached.get(state, -math.inf):
                        reached[state] = total
        found: dict[str, float] = collections.defaultdict(float)
        for (history, text), score in hypotheses[-1].items():
            found[text] += math.exp(score + self._log(history, EDGE))
        total = sum(found.values())
        best = heapq.nlargest(k, found.items(), key=lambda item: (item[1], item[0]))
        return [
            Spelling(text=text, probability=value / total)
            for text, value in best
            if text
        ]

    def _fitting(self, word: str, place: int, cuts: Set[int]) -> Iterator[Unit]:
        for length in (1, 2, 3):
            if place + length <= len(word):
                yield from self._choices.get(word[place : place + length], ())
            if place + length in cuts:
                return

    def _log(self, history: tuple[Unit, ...], unit: Unit) -> float:
        kept = self._kept[history]
        if unit not in kept:
            kept[unit] = math.log(self._probability(history, unit))
        return kept[unit]

    def _probability(self, history: tuple[Unit, ...], unit: Unit) -> float:
        """Interpolate n-grams of all orders (Witten and Bell 1991)."""
        value = 1.0 / (1 + len(self._counts[()]))
        for length in range(ORDER):
            seen = history[ORDER - 1 - length :]
            total = self._totals.get(seen)
            if total is None:
                break
            followers = self._counts[seen]
            kinds = len(followers)
            value = (followers[unit] + kinds * value) / (total + kinds)
        return value


def learn(
    pairs: Collection[tuple[str, str]], beside: Collection[tuple[str, str]] = ()
) -> Transliterator | None:
    """Learn from words and what they are linked to in translations.

    Some are spelt alike, the others are translations: a model of all tells them apart, and
    one of those that it finds spelt alike does so better. Equal words teach nothing.

    Args:
        pairs: (source word, target word), each once.
        beside: further ones, of which few are spelt alike: words of the same sentences.

    Returns:
        The transliterator; None where too few of `pairs` (`MIN_PAIRS`) are spelt alike.
    """
    every = sorted(pair for pair in pairs if pair[0] != pair[1])
    further = sorted(pair for pair in beside if pair[0] != pair[1])
    alike = every
    for _ in range(ROUNDS):
        if len(alike) < MIN_PAIRS:
            return None
        told = _told(every, _Information(alike))
        alike = [pair for pair in every if told[pair] >= MIN_SHARED]
    for _ in range(ROUNDS_BESIDE if further else 0):
        if len(alike) < MIN_PAIRS:
            return None
        told = _told([*every, *further], _Information(alike))
        clear = {pair for pair in every if told[pair] >= MIN_SHARED_BESIDE}
        further = [pair for pair in further if told[pair] >= MIN_LIKELY]
        best = _mutual({pair: told[pair] for pair in further})
        clear |= {pair for pair in best if told[pair] >= MIN_SHARED_BESIDE}
        alike = sorted(clear)
    if len(alike) < MIN_PAIRS:
        return None
    units = _Information(alike).units
    aligned = [spelling_units.align(pair, units) for pair in alike]
    # Units of the pairs that were not counted may be unknown.
    return Transliterator([units for units in aligned if units])


def _told(
    pairs: Sequence[tuple[str, str]], information: "_Information"
) -> dict[tuple[str, str], float]:
    return {
        pair: information.of(spelling_units.align(pair, information.units))
        for pair in pairs
    }


def _mutual(told: Mapping[tuple[str, str], float]) -> set[tuple[str, str]]:
    """Return the pairs whose words tell of no others more than of each other."""
    best: dict[tuple[int, str], float] = {}
    for pair, value in told.items():
        for key in enumerate(pair):
            best[key] = max(value, best.get(key, -math.inf))
    return {
        pair
        for pair, value in told.items()
        if all(value == best[key] for key in enumerate(pair))
    }


class _Information:
    """How much more often strings stand for each other than they would by chance."""

    def __init__(self, words: Sequence[tuple[str, str]]):
        self.units = spelling_units.maximise(words)
        self._kept: dict[Unit, float] = {}
        self._letters = [
            collections.Counter(itertools.chain.from_iterable(side))
            for side in zip(*words, strict=True)
        ]
        self._totals = [sum(letters.values()) for letters in self._letters]

    def of(self, units: Sequence[Unit]) -> float:
        """Return the pointwise mutual information of a pair's units, by character."""
        if not units:
            return -math.inf
        length = max(sum(map(len, side)) for side in zip(*units, strict=True))
        for unit in units:
            if unit not in self._kept:
                self._kept[unit] = self._shared(unit)
        return sum(map(self._kept.__getitem__, units)) / length

    def _shared(self, unit: Unit) -> float:
        apart = sum(
            math.log(letters[character] / total)
            for side, letters, total in zip(
                unit, self._letters, self._totals, strict=True
            )
            for character in side
        )
        return math.log(self.units[unit]) - apart
