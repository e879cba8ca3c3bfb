"""Parts of words, for words that the bitext lacks: stems, endings, members of compounds.

Where new pieces are whole words (`models.word_ends`) a word that the bitext lacks splits as
the teacher splits it, into pieces of English. Parts are pieces for those, learnt from the
words as a list, each counted once: an unseen word is like a rare one (Creutz and Lagus 2005,
Morfessor). A part stays only if it splits far more words of the language than names.
"""

import collections
import json
from collections.abc import Iterable, Mapping

import tokenizers

from optical_jax.models import piece_table, word_ends

# Words of the language that a part must split for each name that it splits otherwise than
# the teacher does: a name that is split otherwise is lost, a word in the teacher's pieces
# is often found by the words around it.
WORDS_A_NAME = 3
# Words of the language that a part must split.
MIN_WORDS = 3
# Dropping a part changes how words split into the others.
ROUNDS = 3


def choose(
    candidates: Iterable[str],
    words: Mapping[str, int],
    names: Mapping[str, int],
    *,
    shell: tokenizers.Tokenizer,
) -> list[str]:
    """Return the parts that serve the language's words more than they harm names.

    Words that no text has yet are like those that are seen once (Good 1953): a word counts
    for a part as one over its own count. A name counts as often as it stands in the texts.

    Args:
        candidates: pieces without marks behind.
        words: of the language, with their counts.
        names: words that should split as they do, with their counts.
        shell: a WordPiece tokenizer with marks behind words.

    Returns:
        Pieces, each with a mark behind and without: one alone would leave a word that it
        ends, or that goes on behind it, without pieces.
    """
    spelled, named = list(words), list(names)
    expected = [e.tokens for e in shell.encode_batch(named, add_special_tokens=False)]
    parts = list(dict.fromkeys(candidates))
    for _ in range(ROUNDS):
        tokenizer, own = piece_table.add(shell, both_forms(parts)), set(parts)
        used: collections.Counter[str] = collections.Counter()
        found = tokenizer.encode_batch(spelled, add_special_tokens=False)
        for word, encoding in zip(spelled, found, strict=True):
            for part in own.intersection(map(word_ends.bare, encoding.tokens)):
                used[part] += 1 / words[word]
        harm: collections.Counter[str] = collections.Counter()
        found = tokenizer.encode_batch(named, add_special_tokens=False)
        for name, encoding, pieces in zip(named, found, expected, strict=True):
            if encoding.tokens != pieces:
                for part in own.intersection(map(word_ends.bare, encoding.tokens)):
                    harm[part] += names[name]
        kept = [
            part
            for part in parts
            if used[part] >= max(MIN_WORDS, WORDS_A_NAME * harm[part])
        ]
        if len(kept) == len(parts):
            break
        parts = kept
    return both_forms(parts)


def both_forms(pieces: Iterable[str]) -> list[str]:
    """Return each piece without a mark behind, and with it."""
    return [form for piece in pieces for form in (piece, piece + word_ends.END)]


def splits(
    student: tokenizers.Tokenizer, teacher: tokenizers.Tokenizer
) -> dict[str, list[str]]:
    """Return how the student's new whole words split into parts where they are no pieces.

    Words that would split into the teacher's pieces alone are left out: those are pieces
    of English words and of names, and tell nothing of this one; single letters tell as
    little. Words that go on as parts of longer ones are left out, too.

    Args:
        student: a tokenizer whose new pieces are whole words with marks behind.
        teacher: the one that it extends.

    Returns:
        {whole word: its parts}, both spelt as pieces.
    """
    known = teacher.get_vocab(with_added_tokens=True)
    vocabulary = student.get_vocab(with_added_tokens=True)
    new = [piece for piece in vocabulary if word_ends.bare(piece) not in known]
    words = set(filter(is_word, new))
    parts = {piece for piece in new if len(word_ends.spelling(piece)) > 1} - words
    if not words or not parts:
        return {}
    state = json.loads(student.to_str())
    left = {p: i for p, i in state["model"]["vocab"].items() if p not in words}
    # Ids have gaps now, and only pieces are read.
    state["model"] = state["model"] | {"vocab": left}
    reduced = piece_table.load(state)
    order = sorted(words)
    bare = list(map(word_ends.bare, order))
    found = reduced.encode_batch(bare, add_special_tokens=False)
    return {
        word: encoding.tokens
        for word, encoding in zip(order, found, strict=True)
        if parts.intersection(encoding.tokens) and len(encoding.tokens) > 1
    }


def is_word(piece: str) -> bool:
    """Return whether a piece is a whole word of more than one letter."""
    whole = piece.endswith(word_ends.END) and not piece.startswith("##")
    return whole and len(word_ends.bare(piece)) > 1
