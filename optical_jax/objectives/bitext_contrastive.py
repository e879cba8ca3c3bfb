"""Contrastive learning on sentence pairs: a sentence finds its translation in the batch."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from optical_jax.objectives import interaction, pairs, tokens


@dataclass(frozen=True, kw_only=True)
class BitextContrastiveConfig(pairs.PairsConfig):
    """Settings of the bitext-contrastive objective."""

    # "maxsim": late interaction, as searched, the mean over the query's slots. "cosine": of
    # the sentences' mean vectors. The same for single-vector heads. Both are in [-1, 1].
    scores: Literal["maxsim", "cosine"] = "maxsim"
    # Let the teacher's sentences look for the student's too.
    symmetric: bool = True
    # Scores are divided by it.
    temperature: float = 0.05

    def __post_init__(self) -> None:
        """Check the range."""
        if not self.temperature > 0:
            raise ValueError(
                "objective.bitext_contrastive.temperature must be > 0, got "
                f"{self.temperature}"
            )


def loss(
    encode: tokens.Encode, config: BitextContrastiveConfig
) -> tuple[Float[Array, ""], pairs.Metrics]:
    """Tell each sentence's translation, as the teacher encodes it, from the batch's others.

        loss = mean over pairs of -log softmax_j(score(S(target i), T(source j)) / t)[i]

    or the mean of this and of the same with the roles exchanged. Pairs of the same batch
    that translate each other count as wrong, so bitext should be without duplicates.

    Args:
        encode: gives the student's tokens of field "target" [b m p] and the teacher's of
            field "source" [b n p].
        config: see BitextContrastiveConfig.

    Returns:
        The loss, and metrics: accuracy (the share of targets that find their source first
        in the batch) and `pairs.monitors`.

    References:
        InfoNCE: van den Oord, Li, Vinyals, arXiv 1807.03748; over bitext in both
        directions as in LaBSE, Feng et al., ACL 2022, arXiv 2007.01852 (without margin).
    """
    student, teacher = encode.student("target"), encode.teacher("source")
    scores = {"maxsim": _maxsim, "cosine": _cosine}[config.scores]
    labels = jnp.arange(len(student.vectors))
    entropy = lambda x: optax.losses.softmax_cross_entropy_with_integer_labels(
        x / config.temperature, labels
    ).mean()
    there = scores(student, teacher)
    value = entropy(there)
    if config.symmetric:
        value = (value + entropy(scores(teacher, student))) / 2
    accuracy = jnp.mean(there.argmax(axis=1) == labels)
    return value, {"accuracy": accuracy, **pairs.monitors(student, teacher)}


def _maxsim(
    queries: tokens.TokenBatch, documents: tokens.TokenBatch
) -> Float[Array, "b b"]:
    # What is searched has no [MASK] slots, even where it was encoded as a query.
    documents = documents._replace(scored=pairs.text_slots(documents))
    return interaction.per_slot(interaction.every_pair(queries, documents), queries)


def _cosine(
    queries: tokens.TokenBatch, documents: tokens.TokenBatch
) -> Float[Array, "b b"]:
    x, y = pairs.pooled(queries), pairs.pooled(documents)
    return pairs.unit(x) @ pairs.unit(y).T
