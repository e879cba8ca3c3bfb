"""Which strings of a word stand for which of its spelling in another language.

Units are pairs of short strings, "gh" with "g", "u" with "uw" (Bisani and Ney 2008); expectation
maximisation over words and their spellings finds how probable each is.
"""

import collections
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Characters of the source and of the target that a unit may have.
SHAPES = ((1, 0), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1))
ITERATIONS = 6
# As many pairs tell how probable units are.
COUNTED = 1000


class Unit(NamedTuple):
    """A string of the source and the string of the target that stands for it."""

    source: str
    target: str


# A unit that was not chosen: there are many, and a tuple is made in less time.
Strings = tuple[str, str]
Place = tuple[int, int]
_NOTHING = ("", "")


def maximise(words: Sequence[tuple[str, str]]) -> dict[Strings, float]:
    """Return the probabilities of units by expectation maximisation, from even ones.

    Args:
        words: words of the source and their spellings; of many, `COUNTED` evenly spread ones
            are looked at.
    """
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


def align(pair: tuple[str, str], probabilities: Mapping[Strings, float]) -> list[Unit]:
    """Return the likeliest units of a pair (Viterbi); none where it has no probability.

    Args:
        pair: a word of the source and its spelling.
        probabilities: of units, as `maximise` returns them.
    """
    best: dict[Place, tuple[float, Place, Strings]] = {(0, 0): (0.0, (0, 0), _NOTHING)}
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
