"""Texts to token vectors: sorted by length, padded to few lengths, encoded in jit."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from optical_jax.data import tokenize
from optical_jax.models import retriever as retriever_lib
from optical_jax.models.families import EncoderConfig
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever

# Told how many texts are done, of how many.
Progress = Callable[[int, int], None]

# Every length compiles once; steps of a third or less keep the padding small.
_LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512)


@dataclass(frozen=True)
class TokenVectors:
    """The scored vectors of n texts, one text after the other.

    Attributes:
        vectors: [t, d], float32 or float16.
        offsets: [n + 1]; text i owns rows offsets[i] to offsets[i + 1].
        token_ids: [t]; -1 where a vector is of a whole text (single-vector heads).
    """

    vectors: np.ndarray
    offsets: np.ndarray
    token_ids: np.ndarray

    def __post_init__(self) -> None:
        """Check that the three arrays describe the same texts."""
        total = len(self.vectors)
        if len(self.token_ids) != total or self.offsets[-1] != total:
            raise ValueError(
                f"vectors, token_ids and the last offset must agree, got {total} "
                f"vectors, {len(self.token_ids)} token ids, offset {self.offsets[-1]}"
            )

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        """Return the vectors of text i."""
        return self.vectors[self.offsets[i] : self.offsets[i + 1]]

    def part(self, start: int, stop: int) -> "TokenVectors":
        """Return texts start to stop; nothing is copied that lies in one array."""
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        return TokenVectors(
            self.vectors[first:last],
            self.offsets[start : stop + 1] - first,
            self.token_ids[first:last],
        )

    @property
    def lengths(self) -> np.ndarray:
        """Number of vectors of each text."""
        return np.diff(self.offsets)


def encode_queries(
    retriever: Retriever,
    texts: Sequence[str],
    *,
    batch_size: int = 64,
    mesh: jax.sharding.Mesh | None = None,
    progress: Progress | None = None,
) -> TokenVectors:
    """Encode texts as queries, in float32; see `encode_documents`."""
    plan = plan_texts(retriever, texts, kind="query")
    return _encode(retriever, plan, batch_size, mesh, progress)


def encode_documents(
    retriever: Retriever,
    texts: Sequence[str],
    *,
    batch_size: int = 64,
    mesh: jax.sharding.Mesh | None = None,
    progress: Progress | None = None,
) -> TokenVectors:
    """Encode texts as documents, in float32.

    Args:
        retriever: encoder, head, tokenizer and parameters.
        texts: any number of texts.
        batch_size: texts encoded at once.
        mesh: if given, each batch is split over its axis "data".
        progress: called after every batch.
    """
    plan = plan_texts(retriever, texts, kind="document")
    return _encode(retriever, plan, batch_size, mesh, progress)


@dataclass(frozen=True)
class Plan:
    """Tokenised texts and where each one's vectors will lie."""

    encoded: list[tokenize.Encoded]
    offsets: np.ndarray
    token_ids: np.ndarray


def _encode(
    retriever: Retriever,
    plan: Plan,
    batch_size: int,
    mesh: jax.sharding.Mesh | None,
    progress: Progress | None,
) -> TokenVectors:
    vectors = np.empty((plan.offsets[-1], retriever.width), np.float32)
    fill(retriever, plan, vectors, batch_size=batch_size, mesh=mesh, progress=progress)
    return TokenVectors(vectors, plan.offsets, plan.token_ids)


def plan_texts(
    retriever: Retriever, texts: Sequence[str], *, kind: Literal["query", "document"]
) -> Plan:
    """Tokenise texts; the number of vectors is known before any is computed."""
    encoder = retriever.text
    encoded = encoder.queries(texts) if kind == "query" else encoder.documents(texts)
    if retriever.head.kind == "single-vector":
        offsets = np.arange(len(encoded) + 1, dtype=np.int64)
        return Plan(encoded, offsets, np.full(len(encoded), -1, np.int32))
    lengths = [int(row.scored.sum()) for row in encoded]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = [row.ids[row.scored] for row in encoded]
    token_ids = np.concatenate([np.empty(0, np.int32), *ids])
    return Plan(encoded, offsets, token_ids)


def fill(
    retriever: Retriever,
    plan: Plan,
    out: np.ndarray,
    *,
    batch_size: int,
    mesh: jax.sharding.Mesh | None = None,
    progress: Progress | None = None,
    weighed: bool = False,
) -> None:
    """Compute the vectors of a plan into out [t, d], whatever its dtype.

    With weighed, d is two more than the vectors' width, for norm and attention
    (models.retriever.Weighed).
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    params, place = retriever.params, lambda x: x
    if mesh is not None:
        batch_size = -(-batch_size // mesh.shape["data"]) * mesh.shape["data"]
        params = jax.device_put(params, NamedSharding(mesh, P()))
        place = functools.partial(jax.device_put, device=NamedSharding(mesh, P("data")))
    lengths = np.array([len(row.ids) for row in plan.encoded], int)
    # Longest first: the largest shape meets a lack of memory at once, not at the end.
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        # The last batch is filled up with its own first text: one shape fewer.
        filled = np.concatenate([rows, np.repeat(rows[:1], batch_size - len(rows))])
        batch = tokenize.pad(
            [plan.encoded[i] for i in filled],
            _padded_length(int(lengths[rows].max()), retriever.encoder),
            pad_id=retriever.text.pad_id,
        )
        vectors = encode_batch(
            params,
            place(batch["ids"]),
            place(batch["mask"]),
            encoder=retriever.encoder,
            head=retriever.head,
            dtype=retriever.dtype,
            weighed=weighed,
        )
        _scatter(_fetched(vectors), batch["scored"], rows, plan.offsets, out)
        if progress is not None:
            progress(start + len(rows), len(order))


def _fetched(vectors: jax.Array) -> np.ndarray:
    """Return an array whole, where parts of it may lie on devices of other processes."""
    if vectors.is_fully_addressable:
        return np.asarray(vectors)
    return multihost_utils.process_allgather(vectors, tiled=True)


def _scatter(
    vectors: np.ndarray,
    scored: np.ndarray,
    rows: np.ndarray,
    offsets: np.ndarray,
    out: np.ndarray,
) -> None:
    for j, i in enumerate(rows):
        kept = vectors[j] if vectors.shape[1] == 1 else vectors[j][scored[j]]
        out[offsets[i] : offsets[i + 1]] = kept


def _padded_length(length: int, encoder: EncoderConfig) -> int:
    longer = (n for n in _LENGTHS if n >= length)
    # No longer than the encoder has positions for.
    return max(length, min(next(longer, length), encoder.max_length))


@functools.partial(jax.jit, static_argnames=("encoder", "head", "dtype", "weighed"))
def encode_batch(
    params: nnx.State,
    ids: Int[Array, "b l"],
    mask: Bool[Array, "b l"],
    *,
    encoder: EncoderConfig,
    head: HeadConfig,
    dtype: Any,
    weighed: bool,
) -> Float[Array, "b t d"]:
    """Return the vectors of a padded batch, [b t d]; see `fill` for weighed."""
    # At module level, so that every retriever of the same shape shares its compilations.
    model = nnx.merge(retriever_lib.graphdef(encoder, head, dtype=dtype), params)
    if not weighed:
        return model(ids, mask)
    out = model.weighed(ids, mask)
    return jnp.concatenate([out.vectors, jnp.stack(out[1:], axis=-1)], axis=-1)
