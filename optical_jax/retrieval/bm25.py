"""The BM25 baseline (bm25s), with words cut by Unicode properties for any language."""

import logging
import unicodedata
from collections.abc import Callable, Sequence

import bm25s
import numpy as np

from optical_jax.retrieval.search import Ranking

# It sets its own logger to DEBUG, which shows wherever logging is configured.
logging.getLogger("bm25s").setLevel(logging.WARNING)

# Scripts that put no blanks between words, by the first word of their characters' names:
# indexed as overlapping pairs of characters, as search engines do.
_UNSPACED = frozenset(
    {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"}
)


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
    """Cut a text into lower-case words of at least two characters."""
    folded = unicodedata.normalize("NFC", text).lower()
    found = []
    for word in folded.translate(_SEPARATORS).split():
        if word.isascii() or not any(_is_unspaced(c) for c in word):
            found.append(word)
        else:
            found.extend(word[i : i + 2] for i in range(max(len(word) - 1, 1)))
    return [word for word in found if len(word) > 1 or _is_unspaced(word)]


def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").split(" ")[0] in _UNSPACED


class Bm25:
    """An index of documents by words; ranks them for queries."""

    def __init__(
        self,
        documents: Sequence[str],
        *,
        k1: float = 1.5,
        b: float = 0.75,
        stopwords: Sequence[str] = (),
        stem: Callable[[list[str]], list[str]] | None = None,
    ):
        """Index the documents.

        Args:
            documents: the collection.
            k1: saturation of the term frequency, bm25s's default.
            b: weight of the document length, bm25s's default.
            stopwords: words left out of documents and queries.
            stem: maps words to stems, like `Stemmer.Stemmer("english").stemWords`.

        Raises:
            ValueError: if there are no documents, or no word in any of them.
        """
        self._stopwords, self._stem = frozenset(stopwords), stem
        terms = [self._terms(text) for text in documents]
        if not any(terms):
            raise ValueError(
                f"BM25 needs documents with words in them, got {len(documents)} "
                "documents without any"
            )
        self._size = len(terms)
        self._index = bm25s.BM25(k1=k1, b=b, method="lucene")
        self._index.index(terms, show_progress=False)

    def _terms(self, text: str) -> list[str]:
        kept = [word for word in words(text) if word not in self._stopwords]
        return self._stem(kept) if self._stem is not None else kept

    def rank(self, queries: Sequence[str], *, k: int = 1000) -> Ranking:
        """Rank documents for each query; equal scores by position, ascending.

        Queries are used as they are: nothing translates them. A document that shares no
        word with the query is not retrieved.
        """
        k = min(k, self._size)
        indices = np.full((len(queries), k), -1, np.int32)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for row, text in enumerate(queries):
            known = [w for w in self._terms(text) if w in self._index.vocab_dict]
            if not known:
                continue
            found = self._index.get_scores(known)
            best = np.argsort(-found, kind="stable")[:k]
            best = best[found[best] > 0]
            indices[row, : len(best)] = best
            scores[row, : len(best)] = found[best]
        return Ranking(indices, scores)
