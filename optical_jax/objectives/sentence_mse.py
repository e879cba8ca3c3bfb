"""Sentence embeddings by regression: the objective of multilingual distillation."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from optical_jax.objectives import pairs, tokens


@dataclass(frozen=True, kw_only=True)
class SentenceMseConfig(pairs.PairsConfig):
    """Settings of the sentence-mse objective."""

    # Weight of the same error for the source sentence, which the student encodes too, so
    # that it goes on encoding the teacher's language as the teacher does; 0: left out.
    source_weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the range."""
        if not self.source_weight >= 0:
            raise ValueError(
                "objective.sentence_mse.source_weight must be >= 0, got "
                f"{self.source_weight}"
            )

    @property
    def uses(self) -> tuple[tokens.Use, ...]:
        """Texts that are encoded, by whom."""
        return pairs.uses(self.side, source=self.source_weight > 0)


def loss(
    encode: tokens.Encode, config: SentenceMseConfig
) -> tuple[Float[Array, ""], pairs.Metrics]:
    """Give a sentence and its translation the teacher's embedding of the sentence.

        loss = mean over pairs of |S(target) - T(source)|^2 + w |S(source) - T(source)|^2

    Embeddings are means of a text's unit token vectors, or a single-vector head's vectors.
    Squares are summed over the width: the paper's mean over it, times the width.

    Args:
        encode: gives the student's tokens of field "target" [b m p], the teacher's of
            "source" [b n p] and, if it has a weight, the student's of "source".
        config: see SentenceMseConfig.

    Returns:
        The loss, and metrics: target_error and source_error (the two terms), cosine (of
        the target's embedding with the teacher's) and `pairs.monitors`.

    References:
        Reimers, Gurevych: Making Monolingual Sentence Embeddings Multilingual using
        Knowledge Distillation, EMNLP 2020, arXiv 2004.09813.
    """
    student, teacher = encode.student("target"), encode.teacher("source")
    truth, found = pairs.pooled(teacher), pairs.pooled(student)
    error = lambda x: jnp.mean(jnp.sum((x - truth) ** 2, axis=1))
    value = error(found)
    metrics = {"target_error": value, "cosine": pairs.cosines(found, truth).mean()}
    if config.source_weight:
        metrics["source_error"] = error(pairs.pooled(encode.student("source")))
        value = value + config.source_weight * metrics["source_error"]
    return value, metrics | pairs.monitors(student, teacher)
