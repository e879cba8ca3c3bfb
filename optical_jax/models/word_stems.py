"""Words and names that endings follow: "टेस्ला" (Tesla) in "टेस्लाच्या" (of Tesla).

Where new pieces are whole words (`models.word_ends`) an inflected word that the bitext lacks falls
into pieces that say nothing, though the word, or the name, has a piece. Endings are learnt from
the list of the bitext's words: what often follows words that are words themselves (Goldsmith
2001, signatures). A stem's piece is its word's without the mark behind.

Only words in letters that names do not have: a stem in the letters of names would split names
otherwise than the teacher splits them.
"""

import collections
import itertools
from collections.abc import Collection, Mapping, Set
from typing import NamedTuple

import tokenizers

from optical_jax.models import word_ends

# A stem has so many characters.
MIN_LENGTH = 3
# Of the words that end so, the share that without it are words, too: of Marathi's "ला" (to)
# .47, of the letter "ल" .17.
MIN_SHARE = 0.3
# Stems that an ending must follow.
MIN_STEMS = 30


class Stems(NamedTuple):
    """Pieces to add.

    Attributes:
        stems: {piece: the whole word's piece}, the bitext's commonest words first.
        endings: pieces with marks behind.
    """

    stems: dict[str, str]
    endings: list[str]


def find(
    counts: Mapping[str, int],
    *,
    student: tokenizers.Tokenizer,
    of_names: Set[str],
    size: int,
) -> Stems:
    """Return the words of a vocabulary that may go on, and the endings that they go on with.

    Args:
        counts: the language's words without marks, and how often the bitext has them.
        student: a WordPiece tokenizer with marks behind words.
        of_names: letters of names that are spelt alike in both languages.
        size: stems at most.
    """
    known = student.get_vocab()
    whole = {
        word_ends.bare(piece)
        for piece in known
        if piece.endswith(word_ends.END) and not piece.startswith("##")
    }
    whole = {
        word
        for word in whole
        if len(word) >= MIN_LENGTH and word.isprintable() and set(word) - of_names
    }
    suffixes = endings({word for word in counts if set(word) - of_names})
    begun = {s[:i] for s in suffixes for i in range(1, len(s))}
    stems = [
        word
        for word in sorted(whole, key=lambda word: (-counts.get(word, 0), word))
        if word not in known and not _goes_on(word, whole, suffixes, begun, counts)
    ]
    pieces = (f"##{s}{word_ends.END}" for s in sorted(suffixes))
    return Stems(
        {word: word + word_ends.END for word in itertools.islice(stems, size)},
        [piece for piece in pieces if piece not in known],
    )


def endings(words: Collection[str]) -> set[str]:
    """Return what follows words that are words themselves, often and more than by chance."""
    words = set(words)
    last: collections.Counter[str] = collections.Counter()
    follows: collections.Counter[str] = collections.Counter()
    for word in words:
        for i in range(MIN_LENGTH, len(word)):
            last[word[i:]] += 1
            follows[word[i:]] += word[:i] in words
    return {
        ending
        for ending, count in follows.items()
        if count >= max(MIN_STEMS, MIN_SHARE * last[ending])
    }


def _goes_on(
    word: str,
    whole: Set[str],
    suffixes: Set[str],
    begun: Set[str],
    counts: Mapping[str, int],
) -> bool:
    """Return whether a word is a stem with an ending, or looks like one with half an ending.

    The longest piece that fits is taken: "गेमस" (games) would take the first letter of
    "साठी" (for) from "गेम" (game). A word of the bitext is trusted more than one that is not.
    """
    for i in range(MIN_LENGTH, len(word)):
        if word[:i] in whole:
            rest = word[i:]
            if rest in suffixes:
                return True
            if rest in begun and word not in counts and word[:i] in counts:
                return True
    return False
