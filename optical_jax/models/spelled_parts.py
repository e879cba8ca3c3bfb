"""Parts of the teacher's words as the student's language spells them: "##ville", "##विल".

A name that neither the bitext nor the teacher's vocabulary has falls, in a script of its own,
into pieces that say nothing, while the teacher's documents hold it as pieces that its sounds
tell: "rat ##zel". How the teacher's pieces are respelt is told from its whole words, split as
if they were none, and from those of the bitext that it splits (`data.transliteration`): a
piece is spelt beside the letters that it stands beside.
"""

import collections
from collections.abc import Collection, Iterator, Mapping, Set

import tokenizers

from optical_jax.data import name_pairs
from optical_jax.data.transliteration import Transliterator
from optical_jax.models import word_ends

# Spellings of a word that are tried, and how probable each must be.
SPELLINGS = 4
MIN_PROBABILITY = 0.05
# Words, by how probable these are, whose part is spelt so.
MIN_WEIGHT = 1.0


def find(
    model: Transliterator,
    *,
    teacher: tokenizers.Tokenizer,
    words: Collection[str],
    of_names: Set[str],
    size: int,
) -> dict[str, str]:
    """Return pieces of words that are none, with the teacher's piece of each.

    Args:
        model: spells words of the teacher's language.
        teacher: a WordPiece tokenizer.
        words: of the bitext's source side, in small letters.
        of_names: letters of names that are spelt alike in both languages; pieces have others.
        size: pieces at most, one more where the last is there twice; those of most words
            come first.

    Returns:
        {student's piece: teacher's piece}; each piece that goes on another one is there
        with the mark behind words and without it.
    """
    vocabulary = teacher.get_vocab(with_added_tokens=False)
    weights: dict[str, collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    for pieces in _splits(vocabulary, words):
        parts = [piece.removeprefix("##") for piece in pieces]
        for texts, probability in model.spell_parts(parts, k=SPELLINGS):
            if probability < MIN_PROBABILITY or not all(texts):
                continue
            for i, (piece, text) in enumerate(zip(pieces, texts, strict=True)):
                if set(text) - of_names:
                    weights["##" + text if i else text][piece] += probability
    best = {new: found.most_common(1)[0] for new, found in sorted(weights.items())}
    order = sorted(best, key=lambda new: (-best[new][1], new))
    told = {}
    for new in order:
        piece, weight = best[new]
        if weight < MIN_WEIGHT or len(told) >= size:
            break
        told[new] = piece
        if new.startswith("##"):
            told[new + word_ends.END] = piece
    return told


def _splits(
    vocabulary: Mapping[str, int], words: Collection[str]
) -> Iterator[list[str]]:
    """Yield the pieces of words of several, each word once.

    A word that is a piece is split as if it were none.
    """
    whole = {word for word in vocabulary if not word.startswith("##")}
    for word in sorted(whole.union(words)):
        small = word.isalpha() and word == word.casefold()
        if small and len(word) >= name_pairs.MIN_LETTERS:
            pieces = _split(word, vocabulary)
            if len(pieces) > 1:
                yield pieces


def _split(word: str, vocabulary: Mapping[str, int]) -> list[str]:
    """Return the longest pieces of a word from its start on, none of them the word itself."""
    pieces: list[str] = []
    begin, end = 0, len(word) - 1
    while begin < len(word):
        mark = "##" if begin else ""
        while mark + word[begin:end] not in vocabulary:
            end -= 1
            if end == begin:
                return []
        pieces.append(mark + word[begin:end])
        begin, end = end, len(word)
    return pieces
