"""Candidate pieces of a language: WordPiece's and Unigram's trainers on a tokenizer's words."""

import collections
import json
from collections.abc import Iterator, Sequence

import tokenizers
from tokenizers import models, trainers


def words(tokenizer: tokenizers.Tokenizer, texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield each text's words, as the tokenizer normalises and splits it."""
    for text in texts:
        if tokenizer.normalizer is not None:
            text = tokenizer.normalizer.normalize_str(text)
        split = tokenizer.pre_tokenizer.pre_tokenize_str(text)
        yield [word for word, _ in split]


def count(
    tokenizer: tokenizers.Tokenizer, texts: Sequence[str]
) -> collections.Counter[str]:
    """Count the pieces that the texts split into."""
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return collections.Counter(token for e in encodings for token in e.tokens)


def wordpiece(
    shell: tokenizers.Tokenizer,
    texts: Sequence[str],
    *,
    size: int,
    min_frequency: int,
) -> dict[str, float]:
    """Return the pieces, without scores, of a WordPiece vocabulary of the texts."""
    letters: collections.Counter[str] = collections.Counter()
    for found in words(shell, texts):
        for word in found:
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


def unigram(
    shell: tokenizers.Tokenizer,
    texts: Sequence[str],
    *,
    size: int,
    min_frequency: int,
) -> dict[str, float]:
    """Return the pieces of a Unigram vocabulary of the texts, with their scores."""
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
    used = count(fresh, texts)
    vocabulary = json.loads(fresh.to_str())["model"]["vocab"]
    return {
        piece: score
        for piece, score in vocabulary
        if piece != "<unk>" and (used[piece] >= min_frequency or len(piece) == 1)
    }
