"""In-batch contrastive training of a retriever over MaxSim: how a teacher is made."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from optical_jax.objectives import tokens
from optical_jax.ot import diagnostics
from optical_jax.retrieval import maxsim


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig:
    """Settings of the contrastive objective."""

    # Scores are divided by it; MaxSim of q scored tokens lies in [-q, q].
    temperature: float = 1.0

    uses: ClassVar = (
        tokens.Use("student", "query", "query"),
        tokens.Use("student", "document", "document"),
    )

    def __post_init__(self) -> None:
        """Check ranges before any long work."""
        if not self.temperature > 0:
            raise ValueError(
                f"objective.contrastive.temperature must be > 0, got {self.temperature}"
            )


def loss(
    encode: tokens.Encode, config: ContrastiveConfig
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Score every query of the batch against every document of it; softmax over documents.

    Args:
        encode: gives field "query" [b m p] and field "document" [b * (1 + k), n, p]: each
            query's positive first, then its k hard negatives.
        config: see ContrastiveConfig.

    Returns:
        The mean cross-entropy, and metrics: accuracy (the positive ranks first of the
        batch) and query_cosine (collapse monitor).

    References:
        Khattab, Zaharia: ColBERT, SIGIR 2020, arXiv 2004.12832; in-batch negatives as in
        Karpukhin et al., arXiv 2004.04906.
    """
    query, document = encode.student("query"), encode.student("document")
    over_documents = jax.vmap(maxsim.maxsim, in_axes=(None, 0, None, 0))
    # One query at a time and recomputed in the backward pass: the similarities of all
    # tokens of the batch at once, [b, b (1 + k), m, n], would not fit.
    score = jax.checkpoint(
        lambda q: over_documents(q[0], document.vectors, q[1], document.scored)
    )
    scores = jax.lax.map(score, (query.vectors, query.scored), batch_size=8)
    per_query = document.vectors.shape[0] // query.vectors.shape[0]
    labels = jnp.arange(query.vectors.shape[0]) * per_query
    entropies = optax.losses.softmax_cross_entropy_with_integer_labels(
        scores / config.temperature, labels
    )
    cosines = jax.vmap(diagnostics.mean_pairwise_cosine)(
        query.vectors, query.scored & query.mask
    )
    return entropies.mean(), {
        "accuracy": jnp.mean(scores.argmax(axis=1) == labels),
        "query_cosine": cosines.mean(),
    }
