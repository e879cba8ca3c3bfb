"""The centroids of an index's residuals, learnt on a sample of its documents.

As in ColBERTv2 (Santhanam et al., 2022, arXiv 2112.01488, section 3.3) the sample is encoded,
clustered and forgotten before the corpus is encoded and compressed a shard at a time. Sample
and centroids are bounded: no corpus needs more than about 17 TFLOP of k-means at width 128.
"""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float, Int

from optical_jax.data import staging
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import compressed, encode, residual
from optical_jax.retrieval.vectors import TokenVectors

# Documents of the sample: one of so many, from the least to the most.
_SHARE = 8
_LEAST, _MOST = 1024, 1 << 14
# Vectors of the sample for each centroid: at least, and as many as are clustered.
_PER_CENTROID = 32
_CLUSTERED = 64
_CENTROIDS = 1 << 14
_SEED = 0


def of_index(
    folder: Path,
    retriever: Retriever,
    documents: Sequence[str],
    *,
    storage: compressed.Storage,
    source: TokenVectors | None,
    batch_size: int,
    mesh: jax.sharding.Mesh | None,
) -> residual.Codec:
    """Return the codec in a folder; if there is none, learn it and write it.

    Args:
        folder: there when it is complete.
        retriever: encodes the sample, on this process's devices of the mesh.
        documents: all of them; the sample is read.
        storage: of residuals.
        source: the documents' vectors in float16, if they are there; nothing is encoded.
        batch_size: texts that a device encodes at once.
        mesh: None: one device.

    Raises:
        ValueError: if what the folder holds is damaged, or the sample has no vector.
    """
    if not folder.is_dir():
        drawn = sample(len(documents))
        if source is None:
            texts = [documents[i] for i in drawn.tolist()]
            encoded = encode.encode_documents(
                retriever, texts, batch_size=batch_size, mesh=mesh
            )
            vectors = encoded.vectors.astype(np.float16)
        else:
            vectors = np.concatenate([source[i] for i in drawn.tolist()])
        total = len(vectors) * len(documents) // len(drawn)
        codec = learn(vectors, total=max(total, 1), storage=storage)
        with staging.folder(folder, shared=True) as made:
            compressed.write_codec(codec, made)
    return compressed.read_codec(folder)


def sample(documents: int) -> Int[np.ndarray, " s"]:
    """Return the positions, in order, of the documents that centroids are learnt on."""
    count = min(documents, max(_LEAST, min(documents // _SHARE, _MOST)))
    rng = np.random.default_rng(_SEED)
    return np.sort(rng.choice(documents, count, replace=False))


def learn(
    vectors: Float[np.ndarray, "n d"], *, total: int, storage: compressed.Storage
) -> residual.Codec:
    """Return a codec for total vectors, learnt on those of the sample.

    Raises:
        ValueError: if there are none.
    """
    if not len(vectors):
        raise ValueError(
            "residuals need documents with scored tokens, and the sample has none; keep "
            "vectors as int8 or float16"
        )
    most = min(residual.number_of_centroids(total), _CENTROIDS)
    enough = max(1, len(vectors) // _PER_CENTROID)
    centroids = min(most, 2 ** (enough.bit_length() - 1))
    count = min(len(vectors), _CLUSTERED * centroids)
    drawn = np.random.default_rng(_SEED).choice(len(vectors), count, replace=False)
    return residual.train(
        vectors[np.sort(drawn)],
        bits=compressed.bits(storage),
        centroids=centroids,
        seed=_SEED,
    )
