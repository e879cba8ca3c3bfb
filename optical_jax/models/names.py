"""Words that a translation copies: names, abbreviations, loans.

A student meets them in queries spelt as in the teacher's documents, so they should split into
pieces as the teacher splits them, and new pieces should not come between.
"""

import collections
from collections.abc import Mapping, Sequence

import tokenizers

from optical_jax.data import alignment
from optical_jax.data.sources import Pair
from optical_jax.models import word_ends

# A letter is one of names if at least this share of theirs is it; the rest are errors.
MIN_LETTER_SHARE = 1e-3
# Of a word's sentences in the target language, the share whose translation holds it too.
MIN_COPIED_SHARE = 0.5


def find(pairs: Sequence[Pair]) -> dict[str, int]:
    """Return the words of the target side that are mostly copied, with their counts."""
    total: collections.Counter[str] = collections.Counter()
    copied: collections.Counter[str] = collections.Counter()
    for pair in pairs:
        words = set(alignment.word_tokenize(pair.target))
        total.update(words)
        copied.update(words.intersection(alignment.word_tokenize(pair.source)))
    return {
        word: total[word]
        for word in sorted(copied)
        if copied[word] >= MIN_COPIED_SHARE * total[word]
    }


def letters(names: Mapping[str, int]) -> set[str]:
    """Return the letters that names are written with, given with their counts."""
    counts: collections.Counter[str] = collections.Counter()
    for name, count in names.items():
        counts.update(dict.fromkeys(name, count))
    least = MIN_LETTER_SHARE * counts.total()
    return {letter for letter, count in counts.items() if count >= least}


def leave_out(texts: Sequence[str], names: Mapping[str, int]) -> list[str]:
    """Return the texts without these words."""
    return [
        " ".join(
            word
            for word in text.split()
            if not any(part in names for part in alignment.word_tokenize(word))
        )
        for text in texts
    ]


def resplit(
    names: Mapping[str, int],
    *,
    teacher: tokenizers.Tokenizer,
    student: tokenizers.Tokenizer,
) -> dict[str, list[str]]:
    """Return the words that the student splits otherwise than the teacher, and how."""
    words = list(names)
    ours = student.encode_batch(words, add_special_tokens=False)
    theirs = teacher.encode_batch(words, add_special_tokens=False)
    return {
        word: a.tokens
        for word, a, b in zip(words, ours, theirs, strict=True)
        if list(map(word_ends.bare, a.tokens)) != b.tokens
    }
