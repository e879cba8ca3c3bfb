"""The BM25 baseline (bm25s), with words cut by Unicode properties for any language."""

import unicodedata
from collections.abc import Callable, Sequence

import bm25s
import numpy as np

from optical_jax.retrieval.search import Ranking

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


def rank(
    queries: Sequence[str],
    documents: Sequence[str],
    *,
    k: int = 1000,
    k1: float = 1.5,
    b: float = 0.75,
    stopwords: Sequence[str] = (),
    stem: Callable[[list[str]], list[str]] | None = None,
) -> Ranking:
    """Rank documents for each query; equal scores by position, ascending.

    A document that shares no word with the query is not retrieved.

    Args:
        queries: used as they are; nothing translates them.
        documents: the collection.
        k: documents for each query at most.
        k1: saturation of the term frequency, bm25s's default.
        b: weight of the document length, bm25s's default.
        stopwords: words left out of documents and queries.
        stem: maps words to stems, like `Stemmer.Stemmer("english").stemWords`.

    Raises:
        ValueError: if there are no documents, or no word in any of them.
    """
    stopped = frozenset(stopwords)

    def terms(text: str) -> list[str]:
        kept = [word for word in words(text) if word not in stopped]
        return stem(kept) if stem is not None else kept

    tokenized = [terms(text) for text in documents]
    if not any(tokenized):
        raise ValueError(
            f"BM25 needs documents with words in them, got {len(documents)} documents "
            "without any"
        )
    retriever = bm25s.BM25(k1=k1, b=b, method="lucene")
    retriever.index(tokenized, show_progress=False)
    k = min(k, len(documents))
    indices = np.full((len(queries), k), -1, np.int32)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    for row, text in enumerate(queries):
        known = [word for word in terms(text) if word in retriever.vocab_dict]
        if not known:
            continue
        found = retriever.get_scores(known)
        best = np.argsort(-found, kind="stable")[:k]
        best = best[found[best] > 0]
        indices[row, : len(best)] = best
        scores[row, : len(best)] = found[best]
    return Ranking(indices, scores)
