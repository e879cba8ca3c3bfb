"""Give an encoder a head it was not trained with: marker tokens, a projection."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import tokenizers
from flax import nnx

from optical_jax.data import tokenize
from optical_jax.models import retriever as retriever_lib
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever


def bare(head: HeadConfig) -> HeadConfig:
    """Return the head without what an encoder may lack: markers, projection, expansion."""
    return dataclasses.replace(
        head,
        projection=None,
        projection_bias=False,
        query_marker=None,
        document_marker=None,
        expansion=False,
        skiplist=(),
    )


def fit(
    retriever: Retriever,
    head: HeadConfig,
    *,
    key: jax.Array,
    projection: Mapping[str, jax.Array] | None = None,
) -> Retriever:
    """Return the retriever with another head, ready to be trained.

    Markers that the vocabulary lacks become tokens of their own; their embeddings start at
    the mean of all rows, which disturbs a trained encoder least (new rows at random were
    the cause of the slow XLM-R ColBERTs that users report). A projection that is not given
    ({"kernel": [d p], perhaps "bias": [p]}) starts at random (normal, 0.02; bias 0).
    """
    wanted = [m for m in (head.query_marker, head.document_marker) if m is not None]
    tokenizer, embedding = retriever.text.tokenizer, None
    lacking = [m for m in wanted if tokenizer.token_to_id(m) is None]
    encoder, params = retriever.encoder, dict(retriever.params)
    if lacking:
        tokenizer = tokenizers.Tokenizer.from_str(tokenizer.to_str())
        tokenizer.add_special_tokens(
            [tokenizers.AddedToken(m, special=True, normalized=False) for m in lacking]
        )
        rows = np.asarray(params["encoder"]["embeddings"]["word"]["embedding"][...])
        embedding = _with_mean_rows(rows, [tokenizer.token_to_id(m) for m in lacking])
        encoder = dataclasses.replace(encoder, vocab_size=len(embedding))
    flat = {path: leaf[...] for path, leaf in nnx.to_flat_state(nnx.State(params))}
    if embedding is not None:
        flat["encoder", "embeddings", "word", "embedding"] = jnp.asarray(embedding)
    flat = {path: value for path, value in flat.items() if path[0] != "projection"}
    if head.projection is not None:
        shape = (encoder.hidden_size, head.projection)
        started = projection or {"kernel": 0.02 * jax.random.normal(key, shape)}
        if head.projection_bias:
            started = {"bias": jnp.zeros(head.projection), **started}
        flat |= {("projection", name): value for name, value in started.items()}
    special = retriever.text.special
    text = tokenize.TextEncoder(tokenizer, head, special=special)
    return dataclasses.replace(
        retriever,
        encoder=encoder,
        head=head,
        text=text,
        params=retriever_lib.from_values(encoder, head, flat),
    )


def _with_mean_rows(rows: np.ndarray, ids: list[int]) -> np.ndarray:
    """Set rows `ids` to the mean row; tables grow where an id lies past the end."""
    size = max(len(rows), max(ids) + 1)
    grown = np.zeros((size, rows.shape[1]), np.float32)
    grown[: len(rows)] = rows
    grown[ids] = rows.mean(axis=0)
    return grown
