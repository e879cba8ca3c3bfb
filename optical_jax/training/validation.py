"""Held-out bitext retrieval: does an X sentence find its English translation?

The measure that checkpoints are selected by. It needs no relevance judgments: the relevant
document of a sentence is the other half of its pair, among all held-out sentences.
"""

from collections.abc import Sequence

import numpy as np
from flax import nnx

from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import encode, search


class HeldOut:
    """Queries, each with its own document; the documents of all are searched."""

    def __init__(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        *,
        vectors: encode.TokenVectors | None = None,
    ):
        """Take the texts, and the documents' vectors where they never change."""
        self._queries = list(queries)
        self._documents = list(documents)
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._queries)

    def measure(self, student: Retriever, params: nnx.State) -> dict[str, float]:
        """Return R@1 and RR over the held-out queries with these parameters.

        Equal scores count against the query's own document.
        """
        student = student.with_params(params)
        queries = encode.encode_queries(student, self._queries)
        documents = self._vectors
        if documents is None:
            documents = encode.encode_documents(student, self._documents)
        ranking = search.search(queries, documents, k=len(documents))
        own = np.arange(len(queries))[:, None]
        score = ranking.scores[ranking.indices == own][:, None]
        rank = (ranking.scores >= score).sum(axis=1)
        return {
            "validation/R@1": float((rank == 1).mean()),
            "validation/RR": float((1 / rank).mean()),
        }
