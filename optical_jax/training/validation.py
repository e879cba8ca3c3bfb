"""Held-out bitext retrieval: does an X sentence, or a piece of one, find its English pair?

Checkpoints are selected by it, and it needs no relevance judgments: the relevant document of
a sentence is the other half of its pair. Whole sentences are found too easily to tell good
students apart, so pieces about as long as a question are measured too, among more documents.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from flax import nnx

from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import bitext_retrieval, encode
from optical_jax.retrieval.encode import TokenVectors

# Whole sentences are long, and tell little: a quarter of them is enough.
_WHOLE_SHARE = 4
# A mean above this is no length of words: the script is written without spaces.
_LONG_WORD = 12


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """How the held-out pairs are measured, and by what the best checkpoint is chosen.

    `RR` and `R@1` are those of whole sentences among the held-out documents, `short_RR` and
    `short_R@1` those of pieces of them among held-out documents and distractors.
    """

    select_by: Literal["short_RR", "short_R@1", "RR", "R@1"] = "short_RR"
    # Held-out pairs that are measured, at most; of whole sentences a quarter of it.
    queries: int = 1000
    # Training sentences of the teacher's language that pieces are searched among as well.
    distractors: int = 2000
    # Words of a piece.
    words: int = 6

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least in (("queries", 1), ("distractors", 0), ("words", 1)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(
                    f"validation.{name} must be at least {least}, got {value}"
                )

    @property
    def metric(self) -> str:
        """The name under which the measure is logged."""
        return f"validation/{self.select_by}"


def draw(total: int, size: int) -> list[int]:
    """Return min(total, size) of the positions 0 .. total - 1, always the same, in order."""
    order = np.random.default_rng(0).permutation(total)
    return sorted(order[:size].tolist())


def piece(text: str, *, words: int) -> str:
    """Return consecutive words of a text, from a place that depends on the text alone.

    A text of no more words is returned as it is. Where words are not divided by spaces
    (more than 12 characters between two of them), half of the characters are taken.
    """
    split, joint = text.split(), " "
    size = words
    if len(text) > _LONG_WORD * len(split):
        split, joint = list(text), ""
        size = -(-len(split) // 2)
    start = zlib.crc32(text.encode()) % max(len(split) - size + 1, 1)
    return joint.join(split[start : start + size])


class HeldOut:
    """Queries, each with its own document; the documents of all are searched."""

    def __init__(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        *,
        config: ValidationConfig | None = None,
        vectors: TokenVectors | None = None,
        distractors: Sequence[np.ndarray] = (),
        asker: Retriever | None = None,
    ):
        """Take the texts, and the documents' vectors where they never change.

        Args:
            queries: one text a document.
            documents: no two the same: their scores would be equal, and equal scores count
                against the query.
            config: what is measured; None: the defaults.
            vectors: of the documents; None: the student encodes them, every time.
            distractors: [t p] each: vectors of more documents, for the pieces of queries;
                only with vectors.
            asker: encodes the queries, once, for students that learn to encode documents.
        """
        config = config or ValidationConfig()
        self._whole = draw(len(queries), -(-config.queries // _WHOLE_SHARE))
        self._queries = [queries[i] for i in self._whole]
        self._queries += [piece(text, words=config.words) for text in queries]
        self._documents = list(documents)
        self._vectors, self._more = vectors, vectors
        if distractors:
            self._more = _append(vectors, distractors)
        self._asked = encode.encode_queries(asker, self._queries) if asker else None

    def __len__(self) -> int:
        return len(self._documents)

    def measure(self, student: Retriever, params: nnx.State) -> dict[str, float]:
        """Return R@1 and RR of whole queries and of their pieces with these parameters.

        Equal scores count against the query's own document.
        """
        student = student.with_params(params)
        queries = self._asked
        if queries is None:
            queries = encode.encode_queries(student, self._queries)
        documents, more = self._vectors, self._more
        if documents is None:
            documents = more = encode.encode_documents(student, self._documents)
        # All were encoded together, in few shapes.
        split = len(self._whole)
        whole = bitext_retrieval.maxsim_ranks(
            queries.part(0, split), documents, np.array(self._whole)
        )
        everyone = np.arange(len(self._documents))
        short = bitext_retrieval.maxsim_ranks(
            queries.part(split, len(queries)), more, everyone
        )
        return {
            f"validation/{prefix}{name}": value
            for prefix, ranks in (("", whole), ("short_", short))
            for name, value in bitext_retrieval.measures(ranks).items()
        }


def _append(vectors: TokenVectors, more: Sequence[np.ndarray]) -> TokenVectors:
    every = np.concatenate([vectors.vectors, *more], dtype=np.float32)
    lengths = np.concatenate([vectors.lengths, [len(v) for v in more]])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    unknown = np.full(len(every) - len(vectors.vectors), -1, np.int32)
    return TokenVectors(every, offsets, np.concatenate([vectors.token_ids, unknown]))
