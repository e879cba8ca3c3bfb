"""The BM25 baseline (bm25s), with words cut by Unicode properties for any language."""

import collections
import logging
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import scipy.sparse
import Stemmer
from jaxtyping import Float

from optical_jax.data import scripts, textfile
from optical_jax.retrieval.search import Ranking


def _library() -> ModuleType:
    # Its import runs a computation on jax's devices, which a run of several processes must
    # not touch before it has joined them; so it comes when it is used.
    import bm25s
    import bm25s.tokenization

    # It sets its own logger to DEBUG, which shows wherever logging is configured.
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    return bm25s


class _Separators(dict[int, str | None]):
    r"""A table for str.translate: letters, marks and digits stay, the rest parts words.

    `\w` of `re`, and so bm25s's own pattern, leaves out combining marks, which cuts words
    of Devanagari, Tamil or Arabic with vowels into pieces.
    """

    def __missing__(self, code: int) -> str | None:
        category = unicodedata.category(chr(code))
        if category == "Cf":  # joiners and soft hyphens stand inside words
            self[code] = None
        else:
            self[code] = chr(code) if category[0] in "LMN" else " "
        return self[code]


_SEPARATORS = _Separators()


def words(text: str) -> list[str]:
    """Cut a text into lower-case words of at least two characters.

    Words of scripts without spaces become overlapping pairs of characters, as search
    engines index them.
    """
    folded = unicodedata.normalize("NFC", text).lower()
    found = []
    for word in folded.translate(_SEPARATORS).split():
        if word.isascii() or not any(map(scripts.is_unspaced, word)):
            found.append(word)
        else:
            found.extend(word[i : i + 2] for i in range(max(len(word) - 1, 1)))
    return [word for word in found if len(word) > 1 or scripts.is_unspaced(word)]


@dataclass(frozen=True, kw_only=True)
class Bm25Config:
    """How BM25 weighs words, and how documents and queries are cut into them."""

    # Saturation of the term frequency, and weight of the document length: bm25s's defaults.
    k1: float = 1.5
    b: float = 0.75
    # Language of the documents as Snowball names it ("english"), whose stems are terms
    # instead of words; empty: words are.
    stem: str = ""
    # Language code of a list of stop words in bm25s ("en"), or a file of one word a line;
    # empty: every word is a term.
    stopwords: str = ""

    def __post_init__(self) -> None:
        """Check ranges, and that stems and stop words of the language are there."""
        if self.k1 < 0 or not 0 <= self.b <= 1:
            raise ValueError(
                f"bm25 needs k1 of at least 0 and b between 0 and 1, got {self.k1} and "
                f"{self.b}"
            )
        if self.stem and self.stem not in Stemmer.algorithms():
            raise ValueError(
                f"stem must be one of {', '.join(Stemmer.algorithms())}, got "
                f"{self.stem!r}; leave it empty for other languages"
            )
        self.read_stopwords()

    def read_stopwords(self) -> frozenset[str]:
        """Return the stop words.

        Raises:
            ValueError: if there is neither such a list nor such a file.
        """
        if not self.stopwords:
            return frozenset()
        path = Path(self.stopwords).expanduser()
        if path.is_file():
            return frozenset(
                w for line in textfile.read_lines(path) for w in words(line)
            )
        try:
            made = _library().tokenization.Tokenizer(stopwords=self.stopwords)
            return frozenset(made.stopwords)
        except ValueError as error:
            raise ValueError(
                f"stopwords must be a language of bm25s's lists (like 'en') or a file of "
                f"words, got {self.stopwords!r}"
            ) from error


class Bm25:
    """An index of documents by terms; ranks them for queries.

    Attributes:
        config: how words become terms and terms are weighed.
        vocabulary: the terms of the documents, and where they are in the index.
    """

    def __init__(self, documents: Sequence[str], config: Bm25Config | None = None):
        """Index the documents.

        Raises:
            ValueError: if there are no documents, or no word in any of them.
        """
        self.config = config or Bm25Config()
        self._stopwords = self.config.read_stopwords()
        stem = self.config.stem
        self._stem = Stemmer.Stemmer(stem).stemWords if stem else None
        terms = [self.terms(text) for text in documents]
        if not any(terms):
            raise ValueError(
                f"BM25 needs documents with words in them, got {len(documents)} "
                "documents without any"
            )
        index = _library().BM25(k1=self.config.k1, b=self.config.b, method="lucene")
        index.index(terms, show_progress=False)
        columns = len(index.scores["indptr"]) - 1
        # The library appends an empty word, which has no column.
        known = {term: i for term, i in index.vocab_dict.items() if i < columns}
        self.vocabulary: dict[str, int] = known
        self._shape = (len(terms), columns)
        arrays = (index.scores[name] for name in ("data", "indices", "indptr"))
        self._weights = scipy.sparse.csc_array(tuple(arrays), shape=self._shape)
        self._counts = self._count(terms)
        lengths = self._counts.sum(axis=1)
        k1, b = self.config.k1, self.config.b
        self._norms = k1 * (1 - b + b * lengths / lengths.mean())

    def _count(self, terms: list[list[str]]) -> scipy.sparse.csc_array:
        columns = [self.vocabulary[term] for row in terms for term in row]
        rows = np.repeat(np.arange(len(terms)), [len(row) for row in terms])
        ones = np.ones(len(columns), np.float32)
        # Equal places are summed.
        return scipy.sparse.csc_array((ones, (rows, columns)), shape=self._shape)

    def terms(self, text: str) -> list[str]:
        """Cut a text into terms: words without stop words, or the stems of these."""
        kept = [word for word in words(text) if word not in self._stopwords]
        return self._stem(kept) if self._stem is not None else kept

    def rank(self, queries: Sequence[str], *, k: int = 1000) -> Ranking:
        """Rank documents for each query; equal scores by position, ascending.

        Queries are used as they are: nothing translates them. A document that shares no
        word with the query is not retrieved.
        """
        counted = (collections.Counter(self.terms(text)) for text in queries)
        return best((self.score(terms) for terms in counted), k=k)

    def score(
        self, terms: Mapping[str, float | int]
    ) -> Float[np.ndarray, " documents"]:
        """Return the sum of the terms' BM25 weights, each times the factor given."""
        columns, factors = self._columns(terms)
        return self._weights[:, columns] @ factors

    def score_mixture(
        self, terms: Mapping[str, float]
    ) -> Float[np.ndarray, " documents"]:
        """Return the BM25 weight of one word that stands for these terms.

        Probabilistic structured queries (Darwish and Oard, SIGIR 2003, Eq. 4 and 5): its
        frequency in a document, and the number of documents that have it, are the terms'
        ones averaged by their probabilities.
        """
        columns, factors = self._columns(terms)
        counts = self._counts[:, columns]
        tf = counts @ factors
        df = float(np.diff(counts.indptr) @ factors)
        idf = np.log(1 + (self._shape[0] - df + 0.5) / (df + 0.5))
        return idf * tf / np.maximum(tf + self._norms, 1e-9)

    def _columns(
        self, terms: Mapping[str, float | int]
    ) -> tuple[list[int], np.ndarray]:
        known = {
            self.vocabulary[t]: x for t, x in terms.items() if t in self.vocabulary
        }
        return list(known), np.array(list(known.values()), np.float32)


def best(scores: Iterable[Float[np.ndarray, " documents"]], *, k: int) -> Ranking:
    """Rank documents by the scores of each query; those of score 0 are not retrieved."""
    indices, values = [], []
    for row in scores:
        found = np.argsort(-row, kind="stable")[:k]
        held = row[found] > 0
        indices.append(np.where(held, found, -1))
        values.append(np.where(held, row[found], -np.inf))
    return Ranking(np.array(indices, np.int32), np.array(values, np.float32))
