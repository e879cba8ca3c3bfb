"""What an evaluation compares: which queries go to which encoder, and how they search."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import jax

from optical_jax.data.collection import Collection
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import bm25, encode, search, trec
from optical_jax.retrieval.encode import TokenVectors

# Told a stage, how much of it is done, and of how much.
Stages = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A query set to measure.

    Attributes:
        queries: its name.
        topline: name of the same questions in the documents' language, if there is one.
        qrels: of the queries that are measured, in the order of the query set.
        topline_qrels: the same ones where the topline has the same query ids, as it
            must to be compared query by query; else its own.
    """

    queries: str
    topline: str | None
    qrels: trec.Qrels
    topline_qrels: trec.Qrels

    def methods(
        self, *, document_encoder: Retriever, query_encoder: Retriever | None
    ) -> dict[str, tuple[str, Retriever | None]]:
        """Return for each method the query set it is given and its encoder (None: BM25)."""
        found: dict[str, tuple[str, Retriever | None]] = {
            "bm25": (self.queries, None),
            "zero-shot": (self.queries, document_encoder),
        }
        if query_encoder is not None:
            found["student"] = (self.queries, query_encoder)
        if self.topline is not None:
            found["bm25-topline"] = (self.topline, None)
            found["topline"] = (self.topline, document_encoder)
        return found


@dataclass(frozen=True, kw_only=True)
class Searcher:
    """A collection made searchable by BM25 and by its encoded documents."""

    collection: Collection
    words: bm25.Bm25
    vectors: TokenVectors
    depth: int
    batch_size: int
    mesh: jax.sharding.Mesh | None
    told: Stages

    def run(
        self, query_ids: list[str], query_set: str, encoder: Retriever | None
    ) -> trec.Run:
        """Search with queries of a set, by their vectors or (no encoder) by BM25."""
        texts = [self.collection.queries(query_set)[query_id] for query_id in query_ids]
        if encoder is None:
            ranking = self.words.rank(texts, k=self.depth)
        else:
            queries = encode.encode_queries(
                encoder, texts, batch_size=self.batch_size, mesh=self.mesh
            )
            stage = f"search {query_set}"
            ranking = search.search(
                queries,
                self.vectors,
                k=self.depth,
                progress=lambda done, total: self.told(stage, done, total),
            )
        doc_ids = self.collection.doc_ids
        return trec.to_run(*ranking, query_ids=query_ids, doc_ids=doc_ids)


def tasks(
    collection: Collection,
    queries: Sequence[str],
    topline_queries: Sequence[str],
    *,
    unjudged: Literal["error", "skip"] = "error",
) -> Iterator[Task]:
    """Look up query sets and their qrels.

    Raises:
        ValueError: if there is nothing to search or to measure, a name is unknown, or a
            query has no relevant document (unless such are skipped).
    """
    if not collection.documents:
        raise ValueError(
            f"collection {collection.name} must have documents, got none; look at its "
            "corpus file"
        )
    if not queries:
        raise ValueError(
            f"queries must name at least one query set, got none; collection "
            f"{collection.name} has {', '.join(collection.query_sets)}"
        )
    if topline_queries and len(topline_queries) != len(queries):
        raise ValueError(
            f"topline_queries must name one query set for each of queries, got "
            f"{len(topline_queries)} for {len(queries)}"
        )
    for i, name in enumerate(queries):
        topline = topline_queries[i] if topline_queries else None
        qrels = topline_qrels = _judged(collection, name, unjudged)
        if (
            topline is not None
            and not qrels.keys() <= collection.queries(topline).keys()
        ):
            topline_qrels = _judged(collection, topline, unjudged)
        yield Task(
            queries=name, topline=topline, qrels=qrels, topline_qrels=topline_qrels
        )


def _judged(
    collection: Collection, name: str, unjudged: Literal["error", "skip"]
) -> trec.Qrels:
    texts, qrels = collection.queries(name), collection.qrels(name)
    relevant = {q for q, documents in qrels.items() if max(documents.values()) > 0}
    without = [q for q in texts if q not in relevant]
    unknown = [q for q in qrels if q not in texts]
    if unjudged == "error" and without:
        raise ValueError(
            f"every query of {name!r} must have a relevant document in the qrels, got "
            f"none for {len(without)} of {len(texts)} ({_some(without)}); correct the "
            "qrels, or leave such queries out with unjudged=skip"
        )
    if unjudged == "error" and unknown:
        raise ValueError(
            f"qrels of {name!r} must judge its own queries, got {len(unknown)} that it "
            f"does not hold ({_some(unknown)}); correct the files, or leave them out "
            "with unjudged=skip"
        )
    kept = {q: qrels[q] for q in texts if q in relevant}
    if not kept:
        raise ValueError(
            f"query set {name!r} must have a query with a relevant document, got none "
            f"among {len(texts)}"
        )
    return kept


def check_encoders(
    query_encoder: Retriever | None, document_encoder: Retriever
) -> None:
    """Refuse two encoders whose vectors cannot be compared.

    Raises:
        ValueError: if their widths or the kinds of their heads differ.
    """
    if query_encoder is None:
        return
    kinds = query_encoder.head.kind, document_encoder.head.kind
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"query and document encoder must have heads of one kind, got {kinds[0]} "
            f"and {kinds[1]}; set head.kind to use both the same way"
        )
    widths = query_encoder.width, document_encoder.width
    if widths[0] != widths[1]:
        raise ValueError(
            f"query and document encoder must give vectors of the same width, got "
            f"{widths[0]} and {widths[1]}; use the document encoder that the query "
            "encoder was trained for"
        )


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:3]) + (" ..." if len(ids) > 3 else "")
