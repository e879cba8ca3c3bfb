"""Hard negatives: documents ranked high for a query that are not relevant to it.

A retriever's best documents hold relevant ones that nobody judged. So known positives,
near copies of them, and (with a margin) documents that score almost like a positive are left
out: positive-aware mining (Moreira et al., NV-Retriever, arXiv 2407.15831).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from optical_jax.data.collection import Qrels
from optical_jax.retrieval import bm25
from optical_jax.retrieval.trec import Run

# What happens to a candidate; those that are kept become negatives.
REASONS = ("kept", "positive", "near copy", "margin", "without score")


@dataclass(frozen=True, kw_only=True)
class MiningConfig:
    """Which ranked documents become negatives."""

    # Negatives of each query, the best ranked first.
    negatives: int = 30
    # Best ranked candidates that are left out, whatever they are.
    skip: int = 0
    # Candidates that score more than this part of the positive's score are left out, where
    # the positive is ranked; 0: none is. 0.95 in NV-Retriever.
    margin: float = 0.0
    # Part of shared words, of all words of both, from which a candidate is a near copy of a
    # positive; above 1: only equal texts are.
    near_copy: float = 0.7
    # Lowest relevance of a positive.
    relevance: int = 1

    def __post_init__(self) -> None:
        """Check ranges."""
        rules = {
            "negatives": (self.negatives >= 1, "at least 1"),
            "skip": (self.skip >= 0, "at least 0"),
            "margin": (self.margin >= 0, "at least 0"),
            "near_copy": (self.near_copy > 0, "above 0"),
            "relevance": (self.relevance >= 1, "at least 1"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise ValueError(
                    f"mining.{name} must be {rule}, got {getattr(self, name)}"
                )


class Mined(NamedTuple):
    """A query's relevant document and its hard negatives, the best ranked first."""

    query_id: str
    positive: str
    negatives: list[str]


def mine(
    run: Run,
    qrels: Qrels,
    document: Callable[[str], str],
    config: MiningConfig,
    *,
    scores: Run | None = None,
) -> tuple[list[Mined], Counter[str]]:
    """Choose negatives for every positive of every query.

    Args:
        run: ranked candidates of each query, best first.
        qrels: what is known to be relevant.
        document: the text of a document.
        config: what is left out.
        scores: if given, only documents that have a score here are used.

    Returns:
        An example for each query and positive that has a negative left, and how many
        candidates there were by reason.
    """
    found: list[Mined] = []
    counts: Counter[str] = Counter()
    words = _Words(document)
    for query_id, judged in qrels.items():
        positives = [d for d, r in judged.items() if r >= config.relevance]
        relevant = [d for d, r in judged.items() if r > 0]
        candidates = list(run.get(query_id, {}).items())[config.skip :]
        scored = None if scores is None else scores.get(query_id, {})
        for positive in positives:
            if scored is not None and positive not in scored:
                continue
            kept = _negatives(
                candidates, positive, relevant, words, config, scored, counts
            )
            if kept:
                found.append(Mined(query_id, positive, kept))
    return found, counts


def _negatives(
    candidates: list[tuple[str, float]],
    positive: str,
    relevant: list[str],
    words: "_Words",
    config: MiningConfig,
    scored: Mapping[str, float] | None,
    counts: Counter[str],
) -> list[str]:
    """Return the first candidates that nothing speaks against."""
    limit = dict(candidates).get(positive)
    kept: list[str] = []
    for doc_id, score in candidates:
        if len(kept) == config.negatives:
            break
        if doc_id in relevant:
            reason = "positive"
        elif any(words.overlap(doc_id, p) >= config.near_copy for p in relevant):
            reason = "near copy"
        elif config.margin and limit is not None and score > config.margin * limit:
            reason = "margin"
        elif scored is not None and doc_id not in scored:
            reason = "without score"
        else:
            reason = "kept"
            kept.append(doc_id)
        counts[reason] += 1
    return kept


class _Words:
    """The words of documents, kept as they are asked for."""

    def __init__(self, document: Callable[[str], str]):
        self._document = document
        self._known: dict[str, frozenset[str]] = {}

    def overlap(self, a: str, b: str) -> float:
        """Return how many words two documents share, of all words of both."""
        one, other = self._of(a), self._of(b)
        if not one or not other:
            return 2.0 if self._document(a) == self._document(b) else 0.0
        shared = len(one & other) / len(one | other)
        # Equal texts are copies whatever part is asked for.
        return 2.0 if shared == 1 and self._same(a, b) else shared

    def _same(self, a: str, b: str) -> bool:
        return bm25.words(self._document(a)) == bm25.words(self._document(b))

    def _of(self, doc_id: str) -> frozenset[str]:
        if doc_id not in self._known:
            self._known[doc_id] = frozenset(bm25.words(self._document(doc_id)))
        return self._known[doc_id]


def examples(
    mined: list[Mined],
    queries: Mapping[str, str],
    document: Callable[[str], str],
    *,
    scores: Run | None = None,
) -> Iterator[dict[str, object]]:
    """Yield examples as JSON lines for training hold them, identifiers beside the texts."""
    for query_id, positive, negatives in mined:
        row: dict[str, object] = {
            "query": queries[query_id],
            "positive": document(positive),
            "negatives": [document(doc_id) for doc_id in negatives],
        }
        if scores is not None:
            row["scores"] = [scores[query_id][d] for d in (positive, *negatives)]
        yield row | {"query_id": query_id, "doc_ids": [positive, *negatives]}
