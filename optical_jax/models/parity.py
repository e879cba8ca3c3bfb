"""Whether two retrievers give the same vectors: what is checked after a conversion."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from optical_jax.data import tokenize
from optical_jax.models import retriever as retriever_lib
from optical_jax.models.retriever import Retriever

# One sentence a script, what tokenizers stumble over, and one text longer than any head.
SAMPLES = (
    "Who wrote the first book of this library?",
    "Nani aliandika kitabu cha kwanza cha maktaba hii?",
    "Ta ni ó kọ ìwé àkọ́kọ́ ti ilé ìkàwé yìí?",
    "इस पुस्तकालय की पहली किताब किसने लिखी?",
    "የዚህ ቤተ መጻሕፍት የመጀመሪያ መጽሐፍ ማን ጻፈ?",
    "من كتب أول كتاب في هذه المكتبة؟",
    "ใครเขียนหนังสือเล่มแรกของห้องสมุดนี้",
    "这个图书馆的第一本书是谁写的?",
    "  [MASK] [CLS] [Q] 1984 — 3.5%, don't! 😀\n",
    "",
    "kitabu " * 600,
)
# Reading back what was written is exact; this leaves room for another order of sums.
TOLERANCE = 1e-6


def compare(wanted: Retriever, found: Retriever) -> float:
    """Return the largest difference of the two retrievers' vectors of SAMPLES.

    Raises:
        ValueError: if a text is split into other tokens, scored in other places, or its
            vectors differ by more than TOLERANCE.
    """
    rows = [_rows(retriever) for retriever in (wanted, found)]
    for i, (ours, theirs) in enumerate(zip(*rows, strict=True)):
        if not all(map(np.array_equal, ours, theirs)):
            text = SAMPLES[i % len(SAMPLES)][:40]
            raise ValueError(
                f"the folder written reads {text!r} as other tokens than its source; "
                "nothing was kept: report the tokenizer as a bug"
            )
    vectors = [_vectors(r, x) for r, x in zip((wanted, found), rows, strict=True)]
    difference = float(np.abs(vectors[0] - vectors[1]).max())
    # Not `>`: a NaN must fail too.
    if not difference <= TOLERANCE:
        raise ValueError(
            f"vectors of the folder written must be within {TOLERANCE} of its source's, "
            f"got {difference}; nothing was kept"
        )
    return difference


def _rows(retriever: Retriever) -> list[tokenize.Encoded]:
    text = retriever.text
    return [*text.queries(SAMPLES), *text.documents(SAMPLES)]


@functools.partial(jax.jit, static_argnames="graph")
def _encode(
    params: nnx.State,
    ids: Int[Array, "b l"],
    mask: Bool[Array, "b l"],
    *,
    graph: nnx.GraphDef,
) -> Float[Array, "b t p"]:
    return nnx.merge(graph, params)(ids, mask)


def _vectors(retriever: Retriever, rows: list[tokenize.Encoded]) -> np.ndarray:
    length = max(len(row.ids) for row in rows)
    batch = tokenize.pad(rows, length, pad_id=retriever.text.pad_id)
    # Without what the model does not see, both sides compile as one.
    head = dataclasses.replace(
        retriever.head, skiplist=(), query_marker=None, document_marker=None
    )
    graph = retriever_lib.graphdef(retriever.encoder, head, dtype=retriever.dtype)
    ids, mask = jnp.asarray(batch["ids"]), jnp.asarray(batch["mask"])
    out = np.asarray(_encode(retriever.params, ids, mask, graph=graph))
    return out if retriever.head.kind == "single-vector" else out[batch["scored"]]
