"""A collection made searchable in every way that an evaluation compares."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax

from optical_jax.data.alignment import Lexicon
from optical_jax.data.collection import Collection
from optical_jax.data.sources import Pair
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import (
    encode,
    index,
    search,
    sharded_search,
    translation,
    trec,
)
from optical_jax.retrieval.bm25 import Bm25, Bm25Config
from optical_jax.retrieval.compressed import Storage
from optical_jax.retrieval.encode import TokenVectors
from optical_jax.retrieval.tasks import Task
from optical_jax.retrieval.translation import Ibm1Config

# Told a stage, how much of it is done, and of how much.
Stages = Callable[[str, int, int], None]
# Returns the run of a task; asked again for the same one, it does not search again.
Search = Callable[[Task], trec.Run]


@dataclass(frozen=True, kw_only=True)
class Searcher:
    """A collection that is made searchable when it is first searched, and only once.

    Attributes:
        collection: documents.
        document_encoder: encodes them for dense search; None: there is none.
        bm25: how lexical search cuts texts into terms and weighs these.
        cache: folder of encoded collections.
        depth: documents ranked for each query.
        batch_size: texts encoded at once.
        mesh: if given, all of its devices encode and search; see `index.build`.
        told: told about encoding and searching.
        storage: of the documents' vectors; see `compressed`.
    """

    collection: Collection
    document_encoder: Retriever | None
    bm25: Bm25Config
    cache: Path
    depth: int
    batch_size: int
    mesh: jax.sharding.Mesh | None
    told: Stages
    storage: Storage = "float16"

    @functools.cached_property
    def words(self) -> Bm25:
        """The documents' index by words."""
        return Bm25(self.collection.documents, self.bm25)

    @functools.cached_property
    def vectors(self) -> TokenVectors:
        """The documents' vectors, from the cache if they are there."""
        if self.document_encoder is None:
            raise ValueError("dense search needs a document encoder, got none")
        return index.build(
            self.document_encoder,
            self.collection.doc_ids,
            self.collection.documents,
            cache=self.cache,
            storage=self.storage,
            batch_size=self.batch_size,
            mesh=self.mesh,
            progress=lambda *done: self.told("encode documents", *done),
        ).vectors

    def lexical(self) -> Search:
        """Search by BM25 with the words of the queries."""

        def run(task: Task) -> trec.Run:
            texts = list(task.texts.values())
            return self._run(task, self.words.rank(texts, k=self.depth))

        return functools.cache(run)

    def translated(self, pairs: Sequence[Pair], config: Ibm1Config) -> Search:
        """Search by BM25 with word translations that parallel sentences teach."""

        @functools.cache
        def lexicon() -> Lexicon:
            self.told("align words", 0, 1)
            found = translation.estimate(
                pairs, config, words=self.words, cache=self.cache
            )
            self.told("align words", 1, 1)
            return found

        def run(task: Task) -> trec.Run:
            texts, depth = list(task.texts.values()), self.depth
            ranking = translation.rank(
                texts, lexicon(), config, words=self.words, k=depth
            )
            return self._run(task, ranking)

        return functools.cache(run)

    def dense(self, encoder: Retriever) -> Search:
        """Search by MaxSim with the vectors that an encoder gives to the queries."""

        def run(task: Task) -> trec.Run:
            queries = encode.encode_queries(
                encoder,
                list(task.texts.values()),
                batch_size=self.batch_size,
                mesh=self.mesh,
            )
            stage = f"search {task.queries}"
            ranking = sharded_search.search(
                queries,
                self.vectors,
                k=self.depth,
                mesh=self.mesh,
                progress=lambda done, total: self.told(stage, done, total),
            )
            return self._run(task, ranking)

        return functools.cache(run)

    def _run(self, task: Task, ranking: search.Ranking) -> trec.Run:
        return trec.to_run(
            *ranking, query_ids=list(task.texts), doc_ids=self.collection.doc_ids
        )


def check_encoders(
    query_encoder: Retriever | None, document_encoder: Retriever | None
) -> None:
    """Refuse two encoders whose vectors cannot be compared.

    Raises:
        ValueError: if their widths or the kinds of their heads differ, or there are no
            vectors of documents to compare with.
    """
    if query_encoder is None:
        return
    if document_encoder is None:
        raise ValueError(
            "a query encoder needs the document encoder it was trained for, got none"
        )
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
