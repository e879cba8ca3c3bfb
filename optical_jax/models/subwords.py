"""Subword vocabularies of a new language for a teacher's tokenizer.

WordPiece (BERT) and Unigram (XLM-R) vocabularies are trained with the teacher's own splitting
into words; what they need beyond that is read off the text, not off a list of languages.
"""

import collections
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import tokenizers
from tokenizers import models, trainers

from optical_jax.models import accents, names, word_ends

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
        whole_words: Make pieces that end words alone (`models.word_ends`).

    Raises:
        ValueError: if the teacher's tokenizer is of another kind.
    """
    state = json.loads(teacher.to_str())
    kind = state["model"]["type"]
    if kind not in ("WordPiece", "Unigram"):
        raise ValueError(
            f"vocabulary.mode extends and replaces WordPiece and Unigram tokenizers, the "
            f"teacher's is {kind}; set vocabulary.mode to 'keep'"
        )
    state["normalizer"] = accents.normalizer(state["normalizer"], texts)
    state["truncation"] = state["padding"] = None
    if whole_words:
        if kind != "WordPiece":
            raise ValueError(
                "vocabulary.whole_words needs a teacher with a WordPiece tokenizer, this "
                f"one's is {kind}; leave it out"
            )
        last = word_ends.last_pieces(state)
        state = _extended(word_ends.marked(state), dict.fromkeys(last, 0.0))
    shell = tokenizers.Tokenizer.from_str(json.dumps(state))
    if kind == "WordPiece" and _has_long_words(shell, texts):
        state["model"]["max_input_chars_per_word"] = MAX_WORD_LENGTH
    own = names.leave_out(texts, copied) if copied else texts
    train_pieces = _train_wordpiece if kind == "WordPiece" else _train_unigram
    pieces = train_pieces(shell, own, size=size, min_frequency=min_frequency)
    if whole_words:
        pieces = _whole_words(
            shell,
            own,
            pieces,
            size=size,
            min_frequency=min_frequency,
            of_names=names.letters(copied),
        )
    assemble = _replaced if replace else _extended
    student = _load(assemble(state, pieces))
    used = _count(student, own)
    harm: collections.Counter[str] = collections.Counter()
    changed = names.resplit(copied, teacher=teacher, student=student)
    for word, parts in changed.items():
        harm.update(dict.fromkeys(parts, copied[word]))
    # Longest match may never choose a piece that merging made on the way to longer ones.
    kept = {
        piece: score
        for piece, score in pieces.items()
        if used[piece] >= max(min_frequency, harm[piece]) or len(_spelling(piece)) == 1
    }
    return _load(assemble(state, kept))


def add(student: tokenizers.Tokenizer, pieces: Sequence[str]) -> tokenizers.Tokenizer:
    """Return the tokenizer with further pieces; Unigram takes them for its rarest."""
    state = json.loads(student.to_str())
    rarest = 0.0
    if state["model"]["type"] == "Unigram":
        rarest = min(score for _, score in state["model"]["vocab"])
    return _load(_extended(state, dict.fromkeys(pieces, rarest)))


def _spelling(piece: str) -> str:
    return word_ends.bare(piece.removeprefix("##").removeprefix("▁"))


def _whole_words(
    shell: tokenizers.Tokenizer,
    texts: Sequence[str],
    pieces: Mapping[str, float],
    *,
    size: int,
    min_frequency: int,
    of_names: Set[str],
) -> dict[str, float]:
    """Return the commonest words, letters in both forms, and pieces that no name has."""
    counts = collections.Counter(
        word for words in _words(shell, texts) for word in words
    )
    order = sorted(counts, key=lambda word: (-counts[word], word))
    found = {word: 0.0 for word in order[:size] if counts[word] >= min_frequency}
    for piece, score in pieces.items():
        spelling = _spelling(piece)
        if len(spelling) == 1:
            letter = word_ends.bare(piece)
            found |= {letter: score, letter + word_ends.END: score}
        elif set(spelling) - of_names:
            found[piece] = score
    return found


def _load(state: dict[str, Any]) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def _count(
    tokenizer: tokenizers.Tokenizer, texts: Sequence[str]
) -> collections.Counter[str]:
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return collections.Counter(token for e in encodings for token in e.tokens)


def _words(
    tokenizer: tokenizers.Tokenizer, texts: Sequence[str]
) -> Iterator[list[str]]:
    for text in texts:
        if tokenizer.normalizer is not None:
            text = tokenizer.normalizer.normalize_str(text)
        split = tokenizer.pre_tokenizer.pre_tokenize_str(text)
        yield [word for word, _ in split]


def _has_long_words(shell: tokenizers.Tokenizer, texts: Sequence[str]) -> bool:
    limit = shell.model.max_input_chars_per_word
    lengths = [len(word) for words in _words(shell, texts) for word in words]
    return sum(n > limit for n in lengths) > MIN_LONG_SHARE * len(lengths)


def _train_wordpiece(
    shell: tokenizers.Tokenizer,
    texts: Sequence[str],
    *,
    size: int,
    min_frequency: int,
) -> dict[str, float]:
    letters: collections.Counter[str] = collections.Counter()
    for words in _words(shell, texts):
        for word in words:
            letters.update(word)
    common = sorted(c for c in letters if letters[c] >= min_frequency)
    alphabet = [*common, *("##" + c for c in common)]
    fresh = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    fresh.normalizer, fresh.pre_tokenizer = shell.normalizer, shell.pre_tokenizer
    trainer = trainers.WordPieceTrainer(
        vocab_size=size + 1,
        min_frequency=min_frequency,
        # Numbering the letters here makes ties between merges fall the same way in every
        # run; the trainer numbers them in the order of a randomly seeded hash map.
        special_tokens=["[UNK]", *alphabet],
        limit_alphabet=0,
        show_progress=False,
    )
    fresh.train_from_iterator(texts, trainer)
    order = sorted(fresh.get_vocab().items(), key=lambda item: item[1])
    return {piece: 0.0 for piece, _ in order if piece != "[UNK]"}


def _train_unigram(
    shell: tokenizers.Tokenizer,
    texts: Sequence[str],
    *,
    size: int,
    min_frequency: int,
) -> dict[str, float]:
    fresh = tokenizers.Tokenizer(models.Unigram())
    if shell.normalizer is not None:
        fresh.normalizer = shell.normalizer
    fresh.pre_tokenizer = shell.pre_tokenizer
    trainer = trainers.UnigramTrainer(
        vocab_size=size + 1,
        special_tokens=["<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    fresh.train_from_iterator(texts, trainer)
    used = _count(fresh, texts)
    vocabulary = json.loads(fresh.to_str())["model"]["vocab"]
    return {
        piece: score
        for piece, score in vocabulary
        if piece != "<unk>" and (used[piece] >= min_frequency or len(piece) == 1)
    }


def _extended(state: dict[str, Any], pieces: dict[str, float]) -> dict[str, Any]:
    """Put new pieces behind all of the teacher's.

    Added tokens are written into the model's vocabulary: those behind its end would
    otherwise be numbered anew, behind the new pieces.
    """
    model = state["model"]
    added = {token["id"]: token["content"] for token in state["added_tokens"]}
    if model["type"] == "Unigram":
        vocab = list(model["vocab"])
        vocab += [[added[i], 0.0] for i in sorted(added) if i >= len(vocab)]
        taken = {piece for piece, _ in vocab}
        vocab += [
            [piece, score] for piece, score in pieces.items() if piece not in taken
        ]
        return {**state, "model": {**model, "vocab": vocab}}
    ids = model["vocab"] | {content: i for i, content in added.items()}
    fresh = [piece for piece in pieces if piece not in ids]
    first = 1 + max(ids.values())
    ids |= {piece: first + i for i, piece in enumerate(fresh)}
    return {**state, "model": {**model, "vocab": ids}}


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
