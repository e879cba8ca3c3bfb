"""What a retriever's vectors depend on, in a few letters: names of what is kept on disk."""

import hashlib

import numpy as np
from flax import nnx

from optical_jax.models.retriever import Retriever


def of(retriever: Retriever) -> str:
    """Return a hash of encoder, head, tokenizer, precision and weights."""
    settings = (retriever.encoder, retriever.head, str(retriever.dtype))
    digest = hashlib.sha256(repr(settings).encode())
    digest.update(retriever.text.tokenizer.to_str().encode())
    leaves = nnx.to_flat_state(retriever.params)
    for path, leaf in sorted(leaves, key=lambda item: str(item[0])):
        digest.update(str(path).encode())
        digest.update(np.ascontiguousarray(leaf[...]).tobytes())
    return digest.hexdigest()
