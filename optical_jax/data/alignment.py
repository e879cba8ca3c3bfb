"""Word alignment of bitext: IBM model 1 with an optional diagonal prior.

The tables p(source | target) serve two ends: they place the embeddings of a new
vocabulary (`models.vocabulary`) and they translate queries word by word. For the other
direction, swap the members of each pair. Brown et al. 1993, Dyer et al. 2013 (prior).
"""

import collections
import functools
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int

from optical_jax.data import scripts

# Bounds the memory of one expectation step (entries = source tokens x target tokens).
ENTRIES_PER_CHUNK = 4_000_000


class _Separators(dict[int, str]):
    """A translation table that keeps the characters of words and blanks all others."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        # Marks are parts of letters, and the joiners shape them.
        kind = unicodedata.category(character)
        keep = kind[0] in "LMN" or character in "'\u2019\u200c\u200d"
        if character == "\u2019":
            character = "'"
        elif kind == "Nd":
            # Years are the same word in all scripts.
            character = str(unicodedata.digit(character))
        self[code] = character if keep else " "
        return self[code]


# Blanks each character that parts words, one for one, so that positions stay.
SEPARATORS = _Separators()


def bigrams(run: str) -> Iterator[str]:
    """Yield overlapping pairs of characters, each with its marks; one alone as it is."""
    clusters: list[str] = []
    for character in run:
        if clusters and unicodedata.category(character).startswith("M"):
            clusters[-1] += character
        else:
            clusters.append(character)
    if len(clusters) == 1:
        yield run
    yield from (a + b for a, b in zip(clusters, clusters[1:], strict=False))


def word_tokenize(text: str) -> list[str]:
    """Split text of any language into case-folded words in NFC.

    Letters, digits, combining marks and apostrophes between letters make words; all
    else separates them. Runs of scripts written without spaces become overlapping pairs
    of characters, as search engines index them.
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    words: list[str] = []
    for part in folded.translate(SEPARATORS).split():
        word = part.strip("'")
        if word.isascii() or not any(map(scripts.is_unspaced, word)):
            words.extend([word] if word else [])
            continue
        for unspaced, group in groupby(word, key=scripts.is_unspaced):
            run = "".join(group)
            words.extend(bigrams(run) if unspaced else [run])
    return words


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """Translation probabilities p(source | target) of two vocabularies.

    Attributes:
        source_words: Words of the language translated into, by column.
        target_words: Words of the language translated from, by row.
        probabilities: Sparse [target, source]; rows sum to 1 before pruning.
    """

    source_words: list[str]
    target_words: list[str]
    probabilities: scipy.sparse.csr_matrix

    @functools.cached_property
    def rows(self) -> dict[str, int]:
        """Return the row of each target word."""
        return {word: row for row, word in enumerate(self.target_words)}

    def translations(self, word: str, k: int) -> list[tuple[str, float]]:
        """Return the k most probable source words for a target word, best first."""
        row = self.rows.get(word)
        if row is None:
            return []
        begin, end = self.probabilities.indptr[row : row + 2]
        columns = self.probabilities.indices[begin:end]
        values = self.probabilities.data[begin:end]
        best = np.lexsort((columns, -values))[:k]
        return [(self.source_words[columns[i]], float(values[i])) for i in best]


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Sentences of one language: all tokens' ids in order, and sentence lengths."""

    ids: Int[np.ndarray, " t"]
    lengths: Int[np.ndarray, " p"]

    def part(self, begin: int, end: int) -> "Tokens":
        """Return the sentences from begin to before end."""
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        return Tokens(
            ids=self.ids[ends[begin] : ends[end]], lengths=self.lengths[begin:end]
        )


def number(sentences: Sequence[Sequence[str]]) -> tuple[list[str], Tokens]:
    """Return the vocabulary by falling frequency and the sentences in its numbers."""
    counts = collections.Counter(word for words in sentences for word in words)
    vocabulary = sorted(counts, key=lambda word: (-counts[word], word))
    ids_of = {word: i for i, word in enumerate(vocabulary)}
    ids = [ids_of[word] for words in sentences for word in words]
    lengths = [len(words) for words in sentences]
    return vocabulary, Tokens(ids=np.array(ids), lengths=np.array(lengths))


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Co-occurrences of some pairs: a segment of target tokens per source token."""

    keys: Int[np.ndarray, " e"]
    prior: Float[np.ndarray, " e"] | None
    segments: Int[np.ndarray, " s"]


def _arange_within(lengths: Int[np.ndarray, " n"]) -> Int[np.ndarray, " t"]:
    starts = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) - np.repeat(starts, lengths)


def cooccur(
    source: Tokens, target: Tokens, *, columns: int, tension: float, null: float
) -> Chunk:
    """Return every pair of tokens that may be linked; keys are row * columns + column.

    Rows are target words counted from 1, NULL being 0; columns are source words.
    """
    m, n = source.lengths, target.lengths
    starts = np.cumsum(n) - n
    # One segment per source token: NULL first, then the pair's target tokens in order.
    widths = np.repeat(n + 1, m)
    j = _arange_within(widths) - 1
    tokens = np.repeat(np.repeat(starts, m), widths) + j
    is_null = j < 0
    rows = np.where(is_null, 0, target.ids[np.where(is_null, 0, tokens)] + 1)
    keys = rows * columns + np.repeat(source.ids, widths)
    segments = np.cumsum(widths) - widths
    if tension == 0:
        return Chunk(keys=keys, prior=None, segments=segments)
    relative_i = (_arange_within(m) + 0.5) / np.repeat(m, m)
    relative_j = (j + 0.5) / np.repeat(np.repeat(n, m), widths)
    prior = np.exp(-tension * np.abs(np.repeat(relative_i, widths) - relative_j))
    prior[is_null] = 0.0
    prior *= (1 - null) / np.repeat(np.add.reduceat(prior, segments), widths)
    prior[is_null] = null
    return Chunk(keys=keys, prior=prior.astype(np.float32), segments=segments)


def split(source: Tokens, target: Tokens) -> Iterator[tuple[Tokens, Tokens]]:
    """Cut a bitext into parts whose tables of links fit into memory."""
    entries = np.cumsum(source.lengths * (target.lengths + 1))
    steps = np.arange(0, entries[-1] + ENTRIES_PER_CHUNK, ENTRIES_PER_CHUNK)
    bounds = np.searchsorted(entries, steps, side="right").tolist()
    for begin, end in zip(bounds, bounds[1:], strict=False):
        if end > begin:
            yield source.part(begin, end), target.part(begin, end)


def _expectation(
    chunk: Chunk,
    positions: Int[np.ndarray, " e"],
    probabilities: Float[np.ndarray, " u"],
) -> Float[np.ndarray, " u"]:
    """Return the expected counts of one chunk's links (Brown et al. 1993, Eq. 14)."""
    links = probabilities[positions]
    if chunk.prior is not None:
        links *= chunk.prior
    widths = np.diff(chunk.segments, append=len(links))
    links /= np.repeat(np.add.reduceat(links, chunk.segments), widths)
    return np.bincount(positions, links, minlength=len(probabilities))


def ibm1(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]],
    *,
    iterations: int = 5,
    tension: float = 0.0,
    null_prior: float = 0.08,
    min_probability: float = 1e-4,
) -> Lexicon:
    """Estimate p(source word | target word) by expectation maximisation.

    Args:
        pairs: Tokenised (source, target) sentences; those with an empty side are left
            out.
        iterations: Steps of expectation maximisation from the uniform table.
        tension: Strength of the prior for links near the diagonal (Dyer et al. 2013);
            0 is IBM model 1.
        null_prior: Prior probability, under the diagonal prior, that a source word
            translates none of the target words.
        min_probability: Smaller probabilities are dropped from the result.

    Returns:
        The lexicon, without the row of the NULL word.
    """
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, got {iterations}")
    pairs = [(source, target) for source, target in pairs if source and target]
    if not pairs:
        raise ValueError("word alignment needs a pair with words on both sides, got 0")
    source_words, source = number([source for source, _ in pairs])
    target_words, target = number([target for _, target in pairs])
    columns = len(source_words)
    chunks = [
        cooccur(s, t, columns=columns, tension=tension, null=null_prior)
        for s, t in split(source, target)
    ]
    uniques = [np.unique(chunk.keys, return_inverse=True) for chunk in chunks]
    # Sorting beats the hashing of np.unique on millions of keys.
    keys = np.sort(np.concatenate([unique for unique, _ in uniques]))
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    positions = [
        np.searchsorted(keys, unique).astype(np.int32)[inverse]
        for unique, inverse in uniques
    ]
    rows, cols = np.divmod(keys, columns)
    probabilities = np.full(len(keys), 1.0 / columns)
    for _ in range(iterations):
        counts = np.zeros(len(keys))
        for chunk, places in zip(chunks, positions, strict=True):
            counts += _expectation(chunk, places, probabilities)
        probabilities = counts / np.bincount(rows, counts)[rows]
    kept = (rows > 0) & (probabilities >= min_probability)
    table = scipy.sparse.csr_matrix(
        (probabilities[kept], (rows[kept] - 1, cols[kept])),
        shape=(len(target_words), columns),
    )
    return Lexicon(
        source_words=source_words, target_words=target_words, probabilities=table
    )
