"""Pieces that no count of the bitext's words brings: names and parts respelt, forms, stems.

Each starts as what has a row already: a word of the teacher's, the words of one stem, a word.
"""

import collections
import itertools
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tokenizers
from jaxtyping import Float

from optical_jax.data import name_pairs, phrases
from optical_jax.data.sources import Pair
from optical_jax.models import (
    names,
    piece_table,
    piece_training,
    spelled_names,
    spelled_parts,
    word_ends,
    word_forms,
    word_stems,
)


@dataclass(frozen=True, kw_only=True)
class ToldPieces:
    """Pieces to add behind a vocabulary, and how their rows start.

    Attributes:
        student: the tokenizer with them.
        spelled: {piece of a whole word: the teacher's piece}.
        parts: {piece of a part of words: the teacher's piece}; the student may have had some.
        forms: {piece: {piece of the same stem: its count}}.
        stems: {piece: the whole word's piece}.
    """

    student: tokenizers.Tokenizer
    spelled: dict[str, str]
    parts: dict[str, str]
    forms: dict[str, dict[str, int]]
    stems: dict[str, str]

    def start(
        self,
        rows: Float[np.ndarray, "w d"],
        *,
        teacher: tokenizers.Tokenizer,
        embeddings: Float[np.ndarray, "v d"],
    ) -> None:
        """Write their rows into the student's, which has those of all others.

        Args:
            rows: the student's.
            teacher: the teacher's tokenizer.
            embeddings: the teacher's rows.
        """
        known = teacher.get_vocab(with_added_tokens=True)
        ids = self.student.get_vocab(with_added_tokens=True)
        for new, piece in (self.parts | self.spelled).items():
            rows[ids[new]] = embeddings[known[piece]]
        for new, siblings in self.forms.items():
            found = rows[[ids[piece] for piece in siblings]]
            rows[ids[new]] = np.average(found, axis=0, weights=[*siblings.values()])
        for new, piece in self.stems.items():
            rows[ids[new]] = rows[ids[piece]]


def tell(
    pairs: Sequence[Pair],
    *,
    teacher: tokenizers.Tokenizer,
    student: tokenizers.Tokenizer,
    copied: Mapping[str, int],
    spelled: int,
    parts: int,
    forms: int,
    stems: int,
    whole_words: bool,
) -> ToldPieces:
    """Find further pieces for a student's vocabulary.

    Args:
        pairs: bitext; source is the teacher's language.
        teacher: the teacher's tokenizer.
        student: the same with the pieces that the bitext brings.
        copied: words that go on splitting as they do (`names.find`).
        spelled: spelled names (`models.spelled_names`) at most.
        parts: spelled parts of words (`models.spelled_parts`) at most.
        forms: forms of words (`models.word_forms`) at most.
        stems: stems (`models.word_stems`) at most.
        whole_words: whether the student's pieces of whole words have a mark behind; parts,
            forms and stems need it.
    """
    found: dict[str, str] = {}
    sounds: dict[str, str] = {}
    of_names = names.letters(copied)
    model = name_pairs.learn(phrases.link(pairs)) if spelled or parts else None
    if model is not None and spelled:
        found = spelled_names.find(
            model,
            pairs,
            teacher=teacher,
            student=student,
            copied=copied,
            size=spelled,
            whole_words=whole_words,
        )
        student = piece_table.add(student, list(found))
    if model is not None and parts:
        sources = _words(teacher, [pair.source for pair in pairs])
        sounds = spelled_parts.find(
            model, teacher=teacher, words=sources, of_names=of_names, size=parts
        )
        student = piece_table.add(student, list(sounds))
    counts: collections.Counter[str] = collections.Counter()
    if forms or stems:
        counts = _words(student, [pair.target for pair in pairs])
    told: dict[str, dict[str, int]] = {}
    if forms:
        others = _words(student, [pair.source for pair in pairs]).keys() | copied
        told = _forms(student, counts, others, size=forms)
        student = piece_table.add(student, list(told))
    begun: dict[str, str] = {}
    if stems:
        begun, endings = word_stems.find(
            counts, student=student, of_names=of_names, size=stems
        )
        student = piece_table.add(student, [*begun, *endings])
    return ToldPieces(
        student=student, spelled=found, parts=sounds, forms=told, stems=begun
    )


def _words(
    tokenizer: tokenizers.Tokenizer, texts: Sequence[str]
) -> collections.Counter[str]:
    """Count the words of texts, without marks."""
    split = piece_training.words(tokenizer, texts)
    words = itertools.chain.from_iterable(split)
    return collections.Counter(map(word_ends.bare, words))


def _forms(
    student: tokenizers.Tokenizer,
    counts: Mapping[str, int],
    others: set[str],
    *,
    size: int,
) -> dict[str, dict[str, int]]:
    """Return forms of the words that have a piece, but no `others`: names, the source's words."""
    known = student.get_vocab()
    own = {
        word
        for word in counts.keys() - others
        if all(unicodedata.category(letter)[0] in "LM" for letter in word)
    }
    whole = {word for word in own if word + word_ends.END in known}
    blocked = others.union(map(word_ends.bare, known))
    found = word_forms.find(whole, seen=own - whole, blocked=blocked, size=size)
    return {
        form + word_ends.END: {w + word_ends.END: counts[w] for w in told.siblings}
        for form, told in found.items()
    }
