"""Texts to token vectors: sorted by length, padded to few lengths, encoded in jit."""

import collections
import functools
from collections.abc import Callable, Iterator, Sequence
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
from optical_jax.retrieval.vectors import TokenVectors

# Told how many texts are done, of how many.
Progress = Callable[[int, int], None]

# Every length compiles once; steps of a third or less keep the padding small.
_LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512)


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
        batch_size: texts that a device encodes at once.
        mesh: if given, those of its devices that are this process's take turns; the
            vectors are the same, bit for bit, on any number of devices of a kind.
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
    fill(
        retriever,
        plan,
        vectors,
        batch_size=batch_size,
        replicas=replicas(retriever, mesh),
        progress=progress,
    )
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


def replicas(retriever: Retriever, mesh: jax.sharding.Mesh | None) -> list[nnx.State]:
    """Return the parameters on each device of a mesh that is this process's.

    Without a mesh they stay where they are.
    """
    if mesh is None:
        return [retriever.params]
    return [jax.device_put(retriever.params, device) for device in mesh.local_devices]


def fill(
    retriever: Retriever,
    plan: Plan,
    out: np.ndarray,
    *,
    batch_size: int,
    replicas: Sequence[nnx.State] = (),
    progress: Progress | None = None,
    weighed: bool = False,
) -> None:
    """Compute the vectors of a plan into out [t, d], whatever its dtype.

    With weighed, d is two more than the vectors' width, for norm and attention
    (models.retriever.Weighed). Batches go to the replicas in turn; which one computes a
    batch changes nothing.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    replicas = replicas or [retriever.params]
    place = _beside(replicas[0], batch_size)
    running: collections.deque = collections.deque()
    done = 0

    def fetch() -> None:
        nonlocal done
        vectors, scored, rows = running.popleft()
        _scatter(_fetched(vectors), scored, rows, plan.offsets, out)
        done += len(rows)
        if progress is not None:
            progress(done, len(plan.encoded))

    for i, (rows, batch) in enumerate(_batches(retriever, plan, batch_size)):
        vectors = encode_batch(
            replicas[i % len(replicas)],
            place(batch["ids"]),
            place(batch["mask"]),
            encoder=retriever.encoder,
            head=retriever.head,
            dtype=retriever.dtype,
            weighed=weighed,
        )
        running.append((vectors, batch["scored"], rows))
        # One batch more than there are devices: none waits for the next to be padded.
        if len(running) > len(replicas):
            fetch()
    while running:
        fetch()


def _beside(params: nnx.State, batch_size: int) -> Callable[[np.ndarray], Any]:
    """Return what places a batch: split over the mesh that the parameters are cut over."""
    where = jax.tree.leaves(params)[0].sharding
    mesh = where.mesh if isinstance(where, NamedSharding) else None
    # Parameters on other hosts too: they are not here to work on a part.
    if mesh is None or mesh.is_multi_process or batch_size % mesh.size:
        return lambda batch: batch
    return functools.partial(
        jax.device_put, device=NamedSharding(mesh, P(mesh.axis_names))
    )


def _batches(
    retriever: Retriever, plan: Plan, batch_size: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yield the rows of each batch, and the batch; all batches are of one size."""
    lengths = np.array([len(row.ids) for row in plan.encoded], int)
    # Longest first: the largest shape meets a lack of memory at once, not at the end.
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        # The last batch is filled up with its own first text: one shape fewer.
        filled = np.concatenate([rows, np.repeat(rows[:1], batch_size - len(rows))])
        yield (
            rows,
            tokenize.pad(
                [plan.encoded[i] for i in filled],
                _padded_length(int(lengths[rows].max()), retriever.encoder),
                pad_id=retriever.text.pad_id,
            ),
        )


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
