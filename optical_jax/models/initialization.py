"""First values of the embedding rows of a new vocabulary, from a teacher's rows.

A piece starts as the mean of what its words translate to in the teacher's language, by
word alignment of the bitext. Where that says nothing, its spelling decides.
"""

import collections
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import tokenizers
from jaxtyping import Float

from optical_jax.data import alignment
from optical_jax.data.sources import Pair

# A longer run of pieces is text without spaces rather than a word: it is aligned by piece.
MAX_PIECES_PER_WORD = 8
ITERATIONS = 5
TENSION = 4.0
TRANSLATIONS = 5

Word = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Embedding rows for some pieces and how many were found in which way."""

    values: Float[np.ndarray, "n d"]
    counts: dict[str, int]


def words(tokenizer: tokenizers.Tokenizer, texts: Sequence[str]) -> list[list[Word]]:
    """Split texts into words, each the tuple of its pieces."""
    sentences: list[list[Word]] = []
    for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
        groups: dict[int, list[str]] = collections.defaultdict(list)
        for token, word in zip(encoding.tokens, encoding.word_ids, strict=True):
            groups[-1 if word is None else word].append(token)
        sentence: list[Word] = []
        for pieces in groups.values():
            if len(pieces) <= MAX_PIECES_PER_WORD:
                sentence.append(tuple(pieces))
            else:
                sentence.extend((piece,) for piece in pieces)
        sentences.append(sentence)
    return sentences


def from_alignment(
    pieces: Sequence[str],
    *,
    teacher: tokenizers.Tokenizer,
    student: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
    pairs: Sequence[Pair],
) -> Rows:
    """Return the mean teacher's rows of the translations of each piece's words.

    A word's weight in its pieces is its frequency in the bitext. Pieces of no aligned
    word start as their spelling does.
    """
    sources = _joined(words(teacher, [pair.source for pair in pairs]))
    targets = _joined(words(student, [pair.target for pair in pairs]))
    lexicon = alignment.ibm1(
        list(zip(sources, targets, strict=True)), iterations=ITERATIONS, tension=TENSION
    )
    frequency = collections.Counter(word for sentence in targets for word in sentence)
    carriers = _carriers(pieces, lexicon.target_words, frequency)
    translated = _keep_largest((carriers @ lexicon.probabilities).tocsr(), TRANSLATIONS)
    weights = np.asarray(translated.sum(axis=1)).ravel()
    by_word = _word_rows(lexicon.source_words, teacher, embeddings)
    spelled = from_spelling(pieces, teacher=teacher, embeddings=embeddings)
    aligned = weights > 0
    means = (translated @ by_word) / np.where(aligned, weights, 1)[:, None]
    values = np.where(aligned[:, None], means, spelled.values).astype(np.float32)
    rest = np.array([not _pieces(piece, teacher) for piece in pieces], bool) & ~aligned
    counts = {
        "aligned": int(aligned.sum()),
        "spelled": int((~aligned).sum() - rest.sum()),
        "mean": int(rest.sum()),
    }
    return Rows(values=values, counts=counts)


def from_spelling(
    pieces: Sequence[str],
    *,
    teacher: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
) -> Rows:
    """Return the mean of the rows of the pieces that the teacher spells each piece with."""
    found = [_pieces(piece, teacher) for piece in pieces]
    everything = embeddings.mean(axis=0)
    values = np.array([embeddings[i].mean(axis=0) if i else everything for i in found])
    values = values.reshape(len(pieces), embeddings.shape[1]).astype(np.float32)
    spelled = sum(map(bool, found))
    counts = {"aligned": 0, "spelled": spelled, "mean": len(pieces) - spelled}
    return Rows(values=values, counts=counts)


def from_noise(
    pieces: Sequence[str], *, embeddings: Float[np.ndarray, "v d"], seed: int
) -> Rows:
    """Return normal noise with the mean and spread of the teacher's rows."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(pieces), embeddings.shape[1]))
    values = embeddings.mean(axis=0) + noise * embeddings.std(axis=0)
    counts = {"aligned": 0, "spelled": 0, "mean": 0}
    return Rows(values=values.astype(np.float32), counts=counts)


def _joined(sentences: list[list[Word]]) -> list[list[str]]:
    return [[" ".join(word) for word in sentence] for sentence in sentences]


def _pieces(piece: str, teacher: tokenizers.Tokenizer) -> list[int]:
    text = piece.removeprefix("##").replace("▁", " ")
    encoding = teacher.encode(text, add_special_tokens=False)
    unknown = _unknown_id(teacher)
    return [i for i in encoding.ids if i != unknown]


def _unknown_id(tokenizer: tokenizers.Tokenizer) -> int | None:
    for name in ("[UNK]", "<unk>"):
        if tokenizer.token_to_id(name) is not None:
            return tokenizer.token_to_id(name)
    return None


def _carriers(
    pieces: Sequence[str], words: Sequence[str], frequency: collections.Counter[str]
) -> scipy.sparse.csr_matrix:
    row = {piece: i for i, piece in enumerate(pieces)}
    entries = [
        (row[piece], column, frequency[word])
        for column, word in enumerate(words)
        for piece in word.split(" ")
        if piece in row
    ]
    rows, columns, values = np.array(entries, np.int64).reshape(-1, 3).T
    shape = (len(pieces), len(words))
    return scipy.sparse.csr_matrix((values.astype(float), (rows, columns)), shape)


def _keep_largest(matrix: scipy.sparse.csr_matrix, k: int) -> scipy.sparse.csr_matrix:
    """Keep the k largest entries of each row; ties go to the smaller column."""
    entries = matrix.tocoo()
    order = np.lexsort((entries.col, -entries.data, entries.row))
    rows = entries.row[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = order[rank < k]
    return scipy.sparse.csr_matrix(
        (entries.data[kept], (entries.row[kept], entries.col[kept])), matrix.shape
    )


def _word_rows(
    words: Sequence[str],
    teacher: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
) -> Float[np.ndarray, "w d"]:
    ids = [[teacher.token_to_id(piece) for piece in word.split(" ")] for word in words]
    return np.array([embeddings[i].mean(axis=0) for i in ids])
