"""Text as people type it: without the marks that a language is written with in print.

News and Bibles print every tone mark of Yoruba; questions typed on a phone have the dots
below, or no mark at all. Only marks on letters of alphabets that are read without them
(Latin, Greek, Cyrillic) are taken away: vowels of Devanagari or Thai are marks as well.
"""

import functools
import unicodedata
import zlib
from collections.abc import Iterator

import numpy as np

from optical_jax.data.sources import Pair

_ALPHABETS = ("LATIN", "GREEK", "CYRILLIC")
# Unicode's combining class of marks above a letter, such as tones.
_ABOVE = 230


@functools.lru_cache(maxsize=65536)
def _bears_marks(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_ALPHABETS)


def strip(text: str, *, above_only: bool) -> str:
    """Return the text without marks, or only without those above letters, in NFC."""
    if text.isascii():
        return text
    kept: list[str] = []
    base = ""
    for character in unicodedata.normalize("NFD", text):
        if unicodedata.category(character) != "Mn":
            base = character
        elif (
            base
            and _bears_marks(base)
            and (not above_only or unicodedata.combining(character) == _ABOVE)
        ):
            continue
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))


def variants(pair: Pair) -> Iterator[Pair]:
    """Yield the pair, and with it those with fewer marks in the target that differ."""
    yield pair
    half, bare = (strip(pair.target, above_only=above) for above in (True, False))
    if half != pair.target:
        yield Pair(pair.source, half)
    if bare != half:
        yield Pair(pair.source, bare)


def lessened(text: str, how: int) -> str:
    """Return the text as it is (0), without marks above its letters (1), without any (2)."""
    return strip(text, above_only=how == 1) if how else text


class Unmarking:
    """Takes marks away at random, the same way whenever the same window is read."""

    def __init__(self, probability: float, *, seed: int):
        """Take the share of texts that lose marks, half of them only those above."""
        self._probability = probability
        self._seed = seed
        # How many texts `lessened` may make of one.
        self.count = 3 if probability else 1

    def drawn(self, window: np.ndarray) -> np.ndarray:
        """Return how the texts of a window's examples, given by number, are lessened.

        Windows differ from epoch to epoch, and so do the texts that lose their marks;
        a resumed run reads the same windows.
        """
        if not self._probability:
            return np.zeros(len(window), np.int8)
        key = zlib.crc32(np.ascontiguousarray(window).tobytes())
        draws = np.random.default_rng((self._seed, key)).random(len(window))
        above = draws < self._probability / 2
        return np.where(draws < self._probability, np.where(above, 1, 2), 0)
