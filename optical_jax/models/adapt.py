"""A retriever as a format holds it: another kind of vectors, other names of its markers."""

import dataclasses

from optical_jax.data import tokenize
from optical_jax.models import stanford_writer
from optical_jax.models.formats import Name
from optical_jax.models.retriever import Retriever


def adapt(retriever: Retriever, layout: Name) -> tuple[Retriever, tuple[str, ...]]:
    """Return the retriever as the layout holds it, and what that costs, for the card.

    Raises:
        ValueError: if something that vectors depend on would be lost.
    """
    head = retriever.head
    if layout == "encoder":
        if head.projection is not None:
            raise ValueError(
                "an encoder folder cannot hold a projection, got head.projection="
                f"{head.projection}; use --format pylate"
            )
        return retriever, ()
    retriever, limits = _of_kind(
        retriever,
        "single-vector" if layout == "single-vector" else "multi-vector",
        layout,
    )
    if layout == "stanford":
        retriever = stanford_writer.fit(retriever)
        limits += stanford_writer.limits(retriever.head)
    return retriever, limits


def _of_kind(
    retriever: Retriever, kind: str, layout: str
) -> tuple[Retriever, tuple[str, ...]]:
    head = retriever.head
    if head.kind == kind:
        return retriever, _reading_limits(retriever) if layout == "pylate" else ()
    if head.projection is not None:
        raise ValueError(
            f"a projection trained for {head.kind} vectors does not fit {layout}, got "
            f"head.projection={head.projection}; use the format of its own kind"
        )
    limit = (
        f"The encoder was trained or published for {head.kind} retrieval; its "
        f"use with {kind} vectors was not trained."
    )
    head = dataclasses.replace(
        head,
        kind=kind,
        expansion=False,
        attend_to_expansion=False,
        skiplist=(),
        skip_first=False,
    )
    return retriever.with_head(head), (limit,)


def _reading_limits(retriever: Retriever) -> tuple[str, ...]:
    """Return where readers of PyLate's layout disagree with each other."""
    head = retriever.head
    marked = head.query_marker or head.document_marker
    if not marked or tokenize.ends(retriever.text.tokenizer)[0]:
        return ()
    return (
        "The tokenizer puts nothing before a text, and the marker comes first; "
        "sentence-transformers 6 reads the folder so, PyLate 1.6 puts the marker behind "
        "the first token and gets other vectors.",
    )
