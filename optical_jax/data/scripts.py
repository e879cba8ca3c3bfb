"""Tell which writing system a text is in, from the Unicode names of its letters."""

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable

# Scripts written without spaces between words, as Unicode names their letters. Tibetan is
# not: marks that are no letters part its syllables, which count as words.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


@functools.cache
def script_of(character: str) -> str | None:
    """Return the script of a letter, "LATIN" for one; None for any other character.

    Unicode's names begin with the script. Marks and modifier letters are left out: they
    are shared between scripts.
    """
    character = unicodedata.normalize("NFKC", character)[0]
    if unicodedata.category(character) not in ("Lu", "Ll", "Lt", "Lo"):
        return None
    return unicodedata.name(character, "UNNAMED").split()[0]


@functools.lru_cache(maxsize=65536)
def is_unspaced(character: str) -> bool:
    """Tell whether a character is of a script written without spaces."""
    return unicodedata.name(character, "").startswith(_UNSPACED)


def letters(text: str) -> Counter[str]:
    """Count the letters of a text by script."""
    return Counter(script for c in text if (script := script_of(c)) is not None)


def usual(texts: Iterable[str], *, share: float = 0.05) -> frozenset[str]:
    """Return the scripts that the texts are written in.

    These are the script of most letters, and those that make up more than `share` of the
    letters where that script occurs, since some languages write in several at once.
    """
    counts = [letters(text) for text in texts]
    total = sum(counts, Counter[str]())
    if not total:
        return frozenset()
    main = total.most_common(1)[0][0]
    beside = sum((count for count in counts if count[main]), Counter[str]())
    least = share * beside.total()
    return frozenset(s for s, number in beside.items() if number > least) | {main}


def is_mostly(text: str, expected: frozenset[str]) -> bool:
    """Tell whether at least half of the letters of a text are in the expected scripts."""
    counts = letters(text)
    return 2 * sum(counts[script] for script in expected) >= counts.total()
