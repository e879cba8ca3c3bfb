"""First values of the embedding rows of a new vocabulary, from a teacher's rows.

A piece starts as the mean of what its words translate to in the teacher's language, by
word alignment of the bitext. Where that says nothing, its spelling decides.
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import tokenizers
from jaxtyping import Float

from optical_jax.data import alignment
from optical_jax.data.sources import Pair
from optical_jax.models import word_ends, word_parts

# A longer run of pieces is text without spaces rather than a word: it is aligned by piece.
MAX_PIECES_PER_WORD = 8
ITERATIONS = 5
TENSION = 4.0
TRANSLATIONS = 5
# As many occurrences in the bitext weigh as much as the teacher's own row of a piece.
SHARED_PRIOR = 50

Word = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Embedding rows for some pieces, and where each comes from.

    Origins: "teacher" (its own row), "realigned" (that and translations), "aligned"
    (translations), "spelled", "mean" (of all rows), "random".
    """

    values: Float[np.ndarray, "n d"]
    origins: list[str]


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
    """Return the mean of the teacher's rows of the translations of each piece's words.

    A word's weight in its pieces is its frequency in the bitext. A piece that the
    teacher has too keeps a part of its own row, the less the oftener it is seen: the
    Swahili "wake" means "his". Other pieces start as their spelling does if no
    word of theirs is aligned.
    """
    sources = _joined(words(teacher, [pair.source for pair in pairs]))
    targets = _joined(words(student, [pair.target for pair in pairs]))
    lexicon = alignment.ibm1(
        list(zip(sources, targets, strict=True)), iterations=ITERATIONS, tension=TENSION
    )
    frequency = collections.Counter(word for sentence in targets for word in sentence)
    return from_lexicon(
        pieces,
        lexicon,
        frequency,
        teacher=teacher,
        embeddings=embeddings,
        splits=word_parts.splits(student, teacher),
    )


def from_lexicon(
    pieces: Sequence[str],
    lexicon: alignment.Lexicon,
    frequency: Mapping[str, int],
    *,
    teacher: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
    splits: Mapping[str, Sequence[str]],
) -> Rows:
    """Do what `from_alignment` does, with a lexicon of words as joined pieces.

    `splits` are parts of words that are pieces (`word_parts.splits`): what those words
    translate to is what their parts mean, too.
    """
    carriers = _carriers(
        pieces, lexicon, frequency, splits=splits, known=_known(teacher)
    )
    translated = _keep_largest((carriers @ lexicon.probabilities).tocsr(), TRANSLATIONS)
    mass = np.asarray(translated.sum(axis=1)).ravel()
    aligned = mass > 0
    by_word = _word_rows(lexicon.source_words, teacher, embeddings)
    means = (translated @ by_word) / np.where(aligned, mass, 1)[:, None]
    own = from_spelling(pieces, teacher=teacher, embeddings=embeddings)
    shared = np.array([origin == "teacher" for origin in own.origins], bool)
    seen = np.where(aligned, np.asarray(carriers.sum(axis=1)).ravel(), 0)
    trust = seen / np.maximum(seen + np.where(shared, SHARED_PRIOR, 0), 1)
    values = own.values + trust[:, None] * (means - own.values)
    better = np.where(shared, "realigned", "aligned")
    origins = np.where(aligned, better, own.origins).tolist()
    return Rows(values=values.astype(np.float32), origins=origins)


def from_spelling(
    pieces: Sequence[str],
    *,
    teacher: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
) -> Rows:
    """Return the teacher's rows of the pieces, else the mean of their spelling's."""
    known = _known(teacher)
    bare = list(map(word_ends.bare, pieces))
    found = [
        [known[piece]] if piece in known else spelling
        for piece, spelling in zip(bare, _spellings(bare, teacher), strict=True)
    ]
    everything = embeddings.mean(axis=0)
    values = np.array([embeddings[i].mean(axis=0) if i else everything for i in found])
    values = values.reshape(len(pieces), embeddings.shape[1]).astype(np.float32)
    origins = [
        "teacher" if piece in known else "spelled" if ids else "mean"
        for piece, ids in zip(bare, found, strict=True)
    ]
    return Rows(values=values, origins=origins)


def from_noise(
    pieces: Sequence[str], *, embeddings: Float[np.ndarray, "v d"], seed: int
) -> Rows:
    """Return normal noise with the mean and spread of the teacher's rows."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(pieces), embeddings.shape[1]))
    values = embeddings.mean(axis=0) + noise * embeddings.std(axis=0)
    return Rows(values=values.astype(np.float32), origins=["random"] * len(pieces))


def _joined(sentences: list[list[Word]]) -> list[list[str]]:
    return [[" ".join(word) for word in sentence] for sentence in sentences]


def _spellings(pieces: Sequence[str], teacher: tokenizers.Tokenizer) -> list[list[int]]:
    texts = [piece.removeprefix("##").replace("▁", " ") for piece in pieces]
    unknown = _unknown_id(teacher)
    return [
        [i for i in encoding.ids if i != unknown]
        for encoding in teacher.encode_batch(texts, add_special_tokens=False)
    ]


def _known(teacher: tokenizers.Tokenizer) -> dict[str, int]:
    return teacher.get_vocab(with_added_tokens=True)


def _unknown_id(tokenizer: tokenizers.Tokenizer) -> int | None:
    for name in ("[UNK]", "<unk>"):
        if tokenizer.token_to_id(name) is not None:
            return tokenizer.token_to_id(name)
    return None


def _carriers(
    pieces: Sequence[str],
    lexicon: alignment.Lexicon,
    frequency: Mapping[str, int],
    *,
    splits: Mapping[str, Sequence[str]],
    known: Mapping[str, int],
) -> scipy.sparse.csr_matrix:
    """Return how often each word, by column, brings each piece, by row.

    Words that translate to themselves say nothing about their pieces: "##son" is not
    "john". Of the parts of words that are pieces, those that the teacher has stay its own.
    A piece with a mark behind and without it mean the same.
    """
    row = {piece: i for i, piece in enumerate(pieces)}
    entries = [
        (row[piece], column, frequency[word])
        for column, word in enumerate(lexicon.target_words)
        if not _is_copied(word, lexicon)
        for piece in _brought(word, splits.get(word, ()), known)
        if piece in row
    ]
    rows, columns, values = np.array(entries, np.int64).reshape(-1, 3).T
    shape = (len(pieces), len(lexicon.target_words))
    return scipy.sparse.csr_matrix((values.astype(float), (rows, columns)), shape)


def _brought(
    word: str, parts: Sequence[str], known: Mapping[str, int]
) -> Iterator[str]:
    """Yield the pieces of a word, and new ones that share their meaning."""
    pieces = word.split(" ")
    yield from pieces
    for piece in (*pieces, *parts):
        bare = word_ends.bare(piece)
        if bare not in known and len(word_ends.spelling(bare)) > 1:
            yield from {bare, bare + word_ends.END}.difference(pieces)


def _is_copied(word: str, lexicon: alignment.Lexicon) -> bool:
    best = lexicon.translations(word, 1)
    return bool(best) and best[0][0] == word_ends.bare(word)


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
    known, unknown = _known(teacher), _unknown_id(teacher)
    # Unigram spells a piece that it does not know as the text does.
    ids = [[known.get(piece, unknown) for piece in word.split(" ")] for word in words]
    return np.array([embeddings[i].mean(axis=0) for i in ids])
