"""MaxSim, the late-interaction score of ColBERT, for one query and one document."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def maxsim(
    query: Float[Array, "m d"],
    doc: Float[Array, "n d"],
    query_mask: Bool[Array, " m"],
    doc_mask: Bool[Array, " n"],
) -> Float[Array, ""]:
    """Sum, over the scored query tokens, of the similarity to the closest document token.

    The sum of Khattab and Zaharia (2020, arXiv 2004.12832), section 3.3. Batch it with
    `jax.vmap`. A document without a real token scores -inf, so that it ranks last, unless
    the query has no scored token either: the sum over nothing is 0.

    Example:
        every_pair = jax.vmap(jax.vmap(maxsim, (None, 0, None, 0)), (0, None, 0, None))
        scores = every_pair(queries, documents, query_masks, document_masks)  # [q c]
    """
    similarity = (query @ doc.T).astype(jnp.float32)
    # Masked before the maximum and by -inf: a padding token multiplied by 0 would beat
    # every real token of negative similarity.
    best = jnp.where(doc_mask, similarity, -jnp.inf).max(axis=1)
    return jnp.where(query_mask, best, 0.0).sum()
