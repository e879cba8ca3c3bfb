"""How names of the teacher's language are spelt in another one, learnt from its bitext.

A joint n-gram model of pairs of short strings, "gh" with "g", "u" with "uw" (Bisani and Ney
2008): expectation maximisation finds which strings correspond, the sequence model which
follow each other. Words that translations copy are taken as they are by every reader; what
is learnt here are the others, in the same script ("Serbia", "Seribiya") or in another.
"""

import collections
import heapq
import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Characters of the source and of the target that a unit may have.
SHAPES = ((1, 0), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1))
ITERATIONS = 6
# As many pairs tell how probable units are.
COUNTED = 1000
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


class Unit(NamedTuple):
    """A string of the source and the string of the target that stands for it."""

    source: str
    target: str


Place = tuple[int, int]
# A unit that was not chosen: there are many, and a tuple is made in less time.
Strings = tuple[str, str]

# Stands before the first unit and behind the last.
EDGE = Unit("", "")


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """A word as the other language may spell it, and its share of what was considered."""

    text: str
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
        # Hypotheses by the characters read: {(history, text): log probability}.
        hypotheses = [{} for _ in range(len(word) + 1)]
        hypotheses[0] = {((EDGE,) * (ORDER - 1), ""): 0.0}
        for place in range(len(word)):
            best = heapq.nlargest(
                BEAM, hypotheses[place].items(), key=lambda item: (item[1], item[0][1])
            )
            fitting = [
                (unit, hypotheses[place + len(unit.source)])
                for unit in self._fitting(word, place)
            ]
            for (history, text), score in best:
                for unit, reached in fitting:
                    state = ((*history[1:], unit), text + unit.target)
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

    def _fitting(self, word: str, place: int) -> Iterator[Unit]:
        for length in (1, 2, 3):
            if place + length <= len(word):
                yield from self._choices.get(word[place : place + length], ())

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
    aligned = [_align(pair, units) for pair in alike]
    # Units of the pairs that were not counted may be unknown.
    return Transliterator([units for units in aligned if units])


def _told(
    pairs: Sequence[tuple[str, str]], information: "_Information"
) -> dict[tuple[str, str], float]:
    return {pair: information.of(_align(pair, information.units)) for pair in pairs}


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
        self.units = _maximise(words)
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


def _maximise(words: Sequence[tuple[str, str]]) -> dict[Strings, float]:
    """Return the probabilities of units by expectation maximisation."""
    words = words[:: -(-len(words) // COUNTED)]
    probabilities: dict[Strings, float] = {}
    for _ in range(ITERATIONS):
        counts: dict[Strings, float] = collections.defaultdict(float)
        for pair in words:
            _expect(pair, probabilities, counts)
        total = sum(counts.values())
        probabilities = {unit: value / total for unit, value in counts.items()}
    return probabilities


def _lattice(
    pair: tuple[str, str], probabilities: Mapping[Strings, float]
) -> list[tuple[Place, Place, Strings, float]]:
    """Return the units that a pair may consist of: from where, to where, how probable.

    Places are characters read of both words; units come by where they start.
    """
    source, target = pair
    found = []
    for i in range(len(source)):
        shapes = [(m, n, source[i : i + m]) for m, n in SHAPES if i + m <= len(source)]
        for j in range(len(target) + 1):
            for m, n, begun in shapes:
                if j + n > len(target):
                    continue
                strings = (begun, target[j : j + n])
                # Before the first iteration all are alike.
                probability = probabilities.get(strings) if probabilities else 1.0
                if probability:
                    # To the power of its length: else long units, fewer a word, would win.
                    weight = probability ** max(m, n)
                    found.append(((i, j), (i + m, j + n), strings, weight))
    return found


def _expect(
    pair: tuple[str, str],
    probabilities: Mapping[Strings, float],
    counts: dict[Strings, float],
) -> None:
    """Add the expected number of each unit in a pair (forward and backward)."""
    lattice, whole = _lattice(pair, probabilities), (len(pair[0]), len(pair[1]))
    forward: dict[Place, float] = collections.defaultdict(float, {(0, 0): 1.0})
    for start, end, _, weight in lattice:
        forward[end] += forward[start] * weight
    if not forward[whole]:
        return
    backward: dict[Place, float] = collections.defaultdict(float, {whole: 1.0})
    for start, end, unit, weight in reversed(lattice):
        through = weight * backward[end]
        if through:
            backward[start] += through
            counts[unit] += forward[start] * through / forward[whole]


def _align(pair: tuple[str, str], probabilities: Mapping[Strings, float]) -> list[Unit]:
    """Return the likeliest units of a pair (Viterbi); none where it has no probability."""
    best: dict[Place, tuple[float, Place, Strings]] = {(0, 0): (0.0, (0, 0), EDGE)}
    for start, end, unit, weight in _lattice(pair, probabilities):
        if start in best and weight:
            total = best[start][0] + math.log(weight)
            if end not in best or total > best[end][0]:
                best[end] = (total, start, unit)
    place = (len(pair[0]), len(pair[1]))
    units = []
    while place in best and place != (0, 0):
        _, place, strings = best[place]
        units.append(Unit(*strings))
    return units[::-1]
