"""Contrastive training of a retriever over MaxSim: in-batch and hard negatives."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from optical_jax.objectives import interaction, tokens
from optical_jax.ot import diagnostics


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig:
    """Settings of the contrastive objective."""

    # Scores are divided by it; MaxSim of q scored tokens lies in [-q, q].
    temperature: float = 1.0
    # Who encodes the documents: the model that is trained, or the frozen teacher, whose
    # index a query encoder is made for.
    documents: Literal["student", "teacher"] = "student"
    # Whether the documents of the batch's other queries are negatives too.
    in_batch: bool = True

    def __post_init__(self) -> None:
        """Check ranges before any long work."""
        if not self.temperature > 0:
            raise ValueError(
                f"objective.contrastive.temperature must be > 0, got {self.temperature}"
            )

    @property
    def uses(self) -> tuple[tokens.Use, ...]:
        """Texts that are encoded, by whom."""
        return interaction.uses(self.documents)


def loss(
    encode: tokens.Encode, config: ContrastiveConfig
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Score every query against documents, its positive among them; softmax over them.

    Args:
        encode: gives field "query" [b m p] and field "document" [b * (1 + k), n, p]: each
            query's positive first, then its k hard negatives; beside the documents their
            array "ids", by which copies of a query's positive are no negatives of it.
        config: see ContrastiveConfig.

    Returns:
        The mean cross-entropy, and metrics: accuracy (the positive ranks first) and
        query_cosine (collapse monitor).

    Raises:
        ValueError: if in-batch negatives are off and queries have no negatives.

    References:
        Khattab, Zaharia: ColBERT, SIGIR 2020, arXiv 2004.12832; in-batch negatives as in
        Karpukhin et al., arXiv 2004.04906.
    """
    encode_documents = {"student": encode.student, "teacher": encode.teacher}
    query, document = (
        encode.student("query"),
        encode_documents[config.documents]("document"),
    )
    per_query = len(document.vectors) // len(query.vectors)
    if config.in_batch:
        labels = jnp.arange(len(query.vectors)) * per_query
        copies = _copies(encode.array(f"{config.documents}/document", "ids"), labels)
        scores = interaction.every_pair(query, document)
        scores = jnp.where(copies, -jnp.inf, scores)
    elif per_query == 1:
        raise ValueError(
            "objective.contrastive.in_batch=False leaves each query its own negatives, "
            "but data.negatives is 0; raise it"
        )
    else:
        scores = interaction.own_documents(query, document)
        labels = jnp.zeros(len(query.vectors), jnp.int32)
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


def _copies(ids: Int[Array, "*b l"], labels: Int[Array, " q"]) -> Bool[Array, "q d"]:
    """Tell which documents have the text of a query's positive, itself left out."""
    ids = ids.reshape(-1, ids.shape[-1])
    weights = jax.random.bits(jax.random.key(0), ids.shape[1:], jnp.uint32)
    # Texts are compared by 32 bits each: [q d l] comparisons would be as many as scores.
    hashes = jnp.sum(ids.astype(jnp.uint32) * weights, axis=1, dtype=jnp.uint32)
    same = hashes[labels][:, None] == hashes
    return same & (labels[:, None] != jnp.arange(len(hashes)))
