"""Queries translated word by word with a lexicon of IBM model 1, then searched by BM25.

The baseline that the same bitext gives without a neural network. A word of the query
becomes a distribution over terms of the documents; what cannot be translated (numbers,
words that are not in the bitext, as many names) stays as it is.
"""

import hashlib
import json
import random
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.sparse

from optical_jax.data import alignment, staging
from optical_jax.data.alignment import Lexicon
from optical_jax.data.sources import Pair
from optical_jax.retrieval import bm25
from optical_jax.retrieval.search import Ranking

# Goes up when the same pairs and settings give another lexicon than before.
_FORMAT = 1
_ARRAYS = ("data", "indices", "indptr")


@dataclass(frozen=True, kw_only=True)
class Ibm1Config:
    """How the lexicon is estimated and how queries are translated with it."""

    # "weighted": the BM25 weights of a word's translations, summed by probability.
    # "psq": probabilistic structured queries (Darwish and Oard, SIGIR 2003): their term
    # and document frequencies are averaged by probability, then weighed once.
    method: Literal["weighted", "psq"] = "weighted"
    # Translations of a word that are used, the most probable ones.
    translations: int = 8
    # Less probable ones are not.
    min_probability: float = 0.0
    # Nor are those after the ones whose probabilities add up to this.
    cumulative: float = 1.0
    # Scale the probabilities of those used to a sum of 1. With this and copies, the mean
    # over AfriQA's development questions in hau, ibo and kin rose from .639 to .689 (R@10)
    # and from .446 to .483 (RR@10).
    normalize: bool = True
    # Steps of expectation maximisation.
    iterations: int = 5
    # Of a prior for words at similar places (Dyer et al. 2013); 0: plain IBM model 1.
    tension: float = 0.0
    # How often each word of the bitext that documents have as well is paired with itself:
    # names and loan words are spelled alike, and seen too seldom to learn it.
    copies: int = 2
    # Longest sentence of a workdir's bitext that is used, in characters. The student's own
    # limit is for its speed; the lexicon needs none.
    max_characters: int = 1000
    # Pairs it is estimated from; of a larger bitext as many are drawn.
    max_pairs: int = 300_000

    def __post_init__(self) -> None:
        """Check ranges."""
        rules = {
            "translations": (self.translations >= 1, "at least 1"),
            "min_probability": (0 <= self.min_probability < 1, "in [0, 1)"),
            "cumulative": (0 < self.cumulative <= 1, "in (0, 1]"),
            "iterations": (self.iterations >= 1, "at least 1"),
            "tension": (self.tension >= 0, "at least 0"),
            "copies": (self.copies >= 0, "at least 0"),
            "max_characters": (self.max_characters >= 1, "at least 1"),
            "max_pairs": (self.max_pairs >= 1, "at least 1"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise ValueError(
                    f"ibm1.{name} must be {rule}, got {getattr(self, name)}"
                )


def estimate(
    pairs: Sequence[Pair], config: Ibm1Config, *, words: bm25.Bm25, cache: Path
) -> Lexicon:
    """Return p(term of the documents' language | word of the queries'), kept in a cache.

    Args:
        pairs: parallel sentences; the source is in the documents' language.
        config: what is estimated.
        words: the documents' index: it cuts the source sides into its terms.
        cache: folder of lexicons, each named by all that it depends on.

    Raises:
        ValueError: if no pair has words on both sides, or the file in the cache is
            damaged.
    """
    if len(pairs) > config.max_pairs:
        pairs = random.Random(0).sample(pairs, config.max_pairs)
    tokens = [(words.terms(s), alignment.word_tokenize(t)) for s, t in pairs]
    tokens += config.copies * _copies(tokens, words)
    digest = hashlib.sha256()
    for part in ([_FORMAT, config.iterations, config.tension], *tokens):
        digest.update(json.dumps(part).encode())
    path = cache / f"lexicon-{digest.hexdigest()[:20]}.npz"
    if not path.is_file():
        lexicon = alignment.ibm1(
            tokens, iterations=config.iterations, tension=config.tension
        )
        _write(path, lexicon)
    return _read(path)


def _copies(
    tokens: Sequence[tuple[list[str], list[str]]], words: bm25.Bm25
) -> list[tuple[list[str], list[str]]]:
    """Return a pair for each target word whose own spelling is a term of the documents."""
    targets = sorted({word for _, target in tokens for word in target})
    found = ((words.terms(word), [word]) for word in targets)
    return [pair for pair in found if pair[0] and words.vocabulary.keys() >= {*pair[0]}]


def translate(
    text: str, lexicon: Lexicon, config: Ibm1Config, *, words: bm25.Bm25
) -> list[dict[str, float]]:
    """Return for each word of a query its translations and their weights, best first."""
    return [
        found
        for word in alignment.word_tokenize(text)
        if (found := _translate_word(word, lexicon, config, words))
    ]


def _translate_word(
    word: str, lexicon: Lexicon, config: Ibm1Config, words: bm25.Bm25
) -> dict[str, float]:
    # Numbers are the same in all languages.
    found = []
    if not word.isdecimal():
        found = lexicon.translations(word, config.translations)
    if not found:
        return dict.fromkeys(words.terms(word), 1.0)
    kept: dict[str, float] = {}
    for term, probability in found:
        if sum(kept.values()) >= config.cumulative:
            break
        if probability >= config.min_probability or not kept:
            kept[term] = probability
    if config.normalize:
        total = sum(kept.values())
        kept = {term: probability / total for term, probability in kept.items()}
    return kept


def rank(
    texts: Sequence[str],
    lexicon: Lexicon,
    config: Ibm1Config,
    *,
    words: bm25.Bm25,
    k: int = 1000,
) -> Ranking:
    """Rank documents for translated queries, best first; equal scores by position."""
    score = words.score if config.method == "weighted" else words.score_mixture
    queries = (translate(text, lexicon, config, words=words) for text in texts)
    empty = words.score({})
    return bm25.best((sum(map(score, query), empty) for query in queries), k=k)


def _write(path: Path, lexicon: Lexicon) -> None:
    table = lexicon.probabilities
    path.parent.mkdir(parents=True, exist_ok=True)
    with staging.file(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            **{name: getattr(table, name) for name in _ARRAYS},
            # Words as the bytes of JSON: numpy would pad them to the longest.
            source_words=_bytes(lexicon.source_words),
            target_words=_bytes(lexicon.target_words),
        )


def _bytes(words: list[str]) -> np.ndarray:
    return np.frombuffer(json.dumps(words).encode(), np.uint8)


def _read(path: Path) -> Lexicon:
    try:
        # Opened here, and so closed, also where it turns out to be no archive.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = tuple(file[name] for name in _ARRAYS)
            source, target = (
                json.loads(file[name].tobytes())
                for name in ("source_words", "target_words")
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged ({error}); delete it and it is estimated again"
        ) from error
    table = scipy.sparse.csr_matrix(arrays, shape=(len(target), len(source)))
    return Lexicon(source_words=source, target_words=target, probabilities=table)
