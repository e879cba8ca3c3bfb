"""Subword vocabularies of a new language for a teacher's tokenizer.

WordPiece (BERT) and Unigram (XLM-R) vocabularies are trained with the teacher's own splitting
into words; what they need beyond that is read off the text, not off a list of languages.
"""

import collections
import itertools
import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

import tokenizers

from optical_jax.models import (
    accents,
    digits,
    names,
    piece_table,
    piece_training,
    word_ends,
    word_parts,
)

# Longer words are unknown to WordPiece tokenizers as usually set up (100 characters); in
# languages without spaces words are whole clauses.
MAX_WORD_LENGTH = 1000
# Unless fewer of the words than this are too long.
MIN_LONG_SHARE = 1e-3


def train(
    teacher: tokenizers.Tokenizer,
    texts: Sequence[str],
    *,
    size: int,
    min_frequency: int,
    replace: bool,
    copied: Mapping[str, int],
    whole_words: bool = False,
    parts: int = 0,
    spared: Set[str] = frozenset(),
) -> tokenizers.Tokenizer:
    """Return the teacher's tokenizer with the pieces of the texts' language.

    Args:
        teacher: WordPiece or Unigram.
        texts: Sentences in the new language.
        size: Pieces of the new language's vocabulary; those the teacher has too are
            not added again.
        min_frequency: Rarer pieces are not made, and pieces that end up splitting
            fewer words than this are dropped.
        replace: Keep only the special tokens of the teacher's vocabulary.
        copied: Words, with their counts, that should go on splitting as the teacher
            splits them (`models.names`). No pieces are made of them, and none is
            kept that splits them more often than other words.
        whole_words: Make pieces that end words alone (`models.word_ends`). Words that
            are a text of their own, as in dictionaries, have one each however rare.
        parts: With `whole_words`, how many pieces for other words to choose from
            (`models.word_parts`); 0: none is made but of letters that no name has.
        spared: Further names that parts should not split.

    Raises:
        ValueError: if the teacher's tokenizer is of another kind.
    """
    state = _prepared(teacher, texts, whole_words=whole_words)
    shell = piece_table.load(state)
    own = names.leave_out(texts, copied) if copied else texts
    counts: collections.Counter[str] = collections.Counter()
    words: dict[str, float] = {}
    if whole_words:
        split = list(piece_training.words(shell, own))
        counts.update(itertools.chain.from_iterable(split))
        entries = {sentence[0] for sentence in split if len(sentence) == 1}
        words = _common(counts, entries, size=size, min_frequency=min_frequency)
    if parts:
        named = collections.Counter(copied) | collections.Counter(spared)
        return piece_table.add(
            shell, [*words, *_parts(shell, counts, named, size=parts)]
        )
    of_type = {"WordPiece": piece_training.wordpiece, "Unigram": piece_training.unigram}
    train_pieces = of_type[state["model"]["type"]]
    pieces = train_pieces(shell, own, size=size, min_frequency=min_frequency)
    if whole_words:
        of_names = names.letters(copied)
        pieces = words | _letters(pieces) | _of_other_letters(pieces, of_names)
    assemble = _replaced if replace else piece_table.extended
    student = piece_table.load(assemble(state, pieces))
    used = piece_training.count(student, own)
    harm: collections.Counter[str] = collections.Counter()
    changed = names.resplit(copied, teacher=teacher, student=student)
    for word, found in changed.items():
        harm.update(dict.fromkeys(found, copied[word]))
    # Longest match may never choose a piece that merging made on the way to longer ones.
    kept = {
        piece: score
        for piece, score in pieces.items()
        if used[piece] >= max(min_frequency, harm[piece])
        or piece in words
        or len(word_ends.spelling(piece)) == 1
    }
    if whole_words:
        # One form alone would leave a word that it ends, or that goes on, without pieces.
        bare = dict.fromkeys(map(word_ends.bare, kept.keys() - words.keys()))
        kept |= dict.fromkeys(word_parts.both_forms(sorted(bare)), 0.0)
    return piece_table.load(assemble(state, kept))


def _prepared(
    teacher: tokenizers.Tokenizer, texts: Sequence[str], *, whole_words: bool
) -> dict[str, Any]:
    """Return the teacher's tokenizer.json for texts of the language, its pieces alone.

    With `whole_words` the normaliser puts marks behind words, and the pieces have them too.
    """
    state = json.loads(teacher.to_str())
    kind = state["model"]["type"]
    if kind not in ("WordPiece", "Unigram"):
        raise ValueError(
            f"vocabulary.mode extends and replaces WordPiece and Unigram tokenizers, the "
            f"teacher's is {kind}; set vocabulary.mode to 'keep'"
        )
    if whole_words and kind != "WordPiece":
        raise ValueError(
            "vocabulary.whole_words needs a teacher with a WordPiece tokenizer, this one's "
            f"is {kind}; leave it out"
        )
    state["normalizer"] = accents.normalizer(state["normalizer"], texts)
    state["normalizer"] = digits.normalizer(state["normalizer"], texts)
    state["truncation"] = state["padding"] = None
    if whole_words:
        last = word_ends.last_pieces(state)
        state = piece_table.extended(word_ends.marked(state), dict.fromkeys(last, 0.0))
    if kind == "WordPiece" and _has_long_words(piece_table.load(state), texts):
        state["model"]["max_input_chars_per_word"] = MAX_WORD_LENGTH
    return state


def _common(
    counts: Mapping[str, int], entries: Set[str], *, size: int, min_frequency: int
) -> dict[str, float]:
    """Return the commonest words, and the dictionary's entries among them."""
    order = sorted(counts, key=lambda word: (-counts[word], word))
    common = (w for w in order if counts[w] >= min_frequency or w in entries)
    return dict.fromkeys(itertools.islice(common, size), 0.0)


def _letters(pieces: Mapping[str, float]) -> dict[str, float]:
    """Return the pieces of one letter, with a mark behind and without."""
    letters = [
        word_ends.bare(piece) for piece in pieces if len(word_ends.spelling(piece)) == 1
    ]
    return dict.fromkeys(word_parts.both_forms(letters), 0.0)


def _of_other_letters(
    pieces: Mapping[str, float], of_names: Set[str]
) -> dict[str, float]:
    """Return the pieces with letters that no name has."""
    return {
        piece: score
        for piece, score in pieces.items()
        if len(word_ends.spelling(piece)) > 1
        and set(word_ends.spelling(piece)) - of_names
    }


def _parts(
    shell: tokenizers.Tokenizer,
    counts: Mapping[str, int],
    names: Mapping[str, int],
    *,
    size: int,
) -> list[str]:
    """Return pieces for words that are none, and every letter in both forms."""
    words = {
        word_ends.bare(word): count
        for word, count in sorted(counts.items())
        if word_ends.bare(word) not in names
    }
    letters: collections.Counter[str] = collections.Counter()
    for word, count in words.items():
        letters.update(dict.fromkeys(word, count))
    often = [c for c in sorted(letters) if letters[c] >= 2]
    candidates = piece_training.wordpiece(
        shell, list(words), size=size, min_frequency=2
    )
    longer = [word_ends.bare(p) for p in candidates if len(word_ends.spelling(p)) > 1]
    chosen = word_parts.choose(longer, words, names, shell=shell)
    single = word_parts.both_forms(f for c in often for f in (c, "##" + c))
    return list(dict.fromkeys([*single, *chosen]))


def _has_long_words(shell: tokenizers.Tokenizer, texts: Sequence[str]) -> bool:
    limit = shell.model.max_input_chars_per_word
    lengths = [
        len(word) for words in piece_training.words(shell, texts) for word in words
    ]
    return sum(n > limit for n in lengths) > MIN_LONG_SHARE * len(lengths)


def _replaced(state: dict[str, Any], pieces: dict[str, float]) -> dict[str, Any]:
    model = state["model"]
    special = sorted(state["added_tokens"], key=lambda token: token["id"])
    names = [token["content"] for token in special]
    fresh = [piece for piece in pieces if piece not in names]
    ids = {piece: i for i, piece in enumerate([*names, *fresh])}
    if model["type"] == "Unigram":
        vocab = [[name, 0.0] for name in names]
        vocab += [[piece, pieces[piece]] for piece in fresh]
        model = {
            **model,
            "vocab": vocab,
            "unk_id": ids[model["vocab"][model["unk_id"]][0]],
        }
    else:
        model = {**model, "vocab": ids}
    return {
        **state,
        "model": model,
        "added_tokens": [{**token, "id": ids[token["content"]]} for token in special],
        "post_processor": renumber(state["post_processor"], ids),
    }


def renumber(part: Any, ids: dict[str, int]) -> Any:  # noqa: ANN401 - JSON
    """Give the special tokens of a post-processor their new ids, wherever they stand."""
    if isinstance(part, dict):
        if set(part) == {"id", "ids", "tokens"}:
            return {**part, "ids": [ids[token] for token in part["tokens"]]}
        return {key: renumber(value, ids) for key, value in part.items()}
    if isinstance(part, list):
        if [type(value) for value in part] == [str, int]:
            return [part[0], ids[part[0]]]
        return [renumber(value, ids) for value in part]
    return part
