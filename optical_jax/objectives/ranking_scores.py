"""Given scores of queries' own passages, distilled into the student: Translate-Distill."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from optical_jax.objectives import divergence, interaction, tokens


@dataclass(frozen=True, kw_only=True)
class RankingScoresConfig:
    """Settings of the distillation of given scores; `data.ranking` names the examples."""

    form: Literal["kl", "margin-mse"] = "kl"
    # Who encodes the passages: the student, or the frozen teacher.
    documents: Literal["student", "teacher"] = "student"
    # The student's MaxSim, a sum over query tokens, is divided by it.
    temperature: float = 1.0
    # The given scores are multiplied by it; margins of a cross-encoder's logits can be
    # wider than MaxSim of a short query reaches.
    score_scale: float = 1.0

    def __post_init__(self) -> None:
        """Check ranges before any long work."""
        for name in ("temperature", "score_scale"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"objective.ranking_scores.{name} must be > 0, got "
                    f"{getattr(self, name)}"
                )

    @property
    def uses(self) -> tuple[tokens.Use, ...]:
        """Texts that are encoded, by whom."""
        return interaction.uses(self.documents)


def loss(
    encode: tokens.Encode, config: RankingScoresConfig
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Let the student score each query's own passages as they are scored in the data.

    Args:
        encode: gives field "query" [b m p], field "document" [b * k, n, p] and beside the
            documents their array "scores", b * k of them.
        config: see RankingScoresConfig.

    Returns:
        The mean divergence, and metrics: agreement (the best passage is the same) and
        score_gap (given best minus given mean, in units of the scaled scores).

    References:
        Yang, Lawrie, Mayfield, Oard, Miller: Translate-Distill, ECIR 2024, arXiv
        2401.04810; margin-MSE: Hofstätter et al., arXiv 2010.02666.
    """
    query = encode.student("query")
    encode_documents = {"student": encode.student, "teacher": encode.teacher}
    document = encode_documents[config.documents]("document")
    scores = interaction.own_documents(query, document) / config.temperature
    given = encode.array(f"{config.documents}/document", "scores")
    targets = given.reshape(scores.shape).astype(jnp.float32) * config.score_scale
    measure = divergence.kl if config.form == "kl" else divergence.margin_mse
    return measure(scores, targets).mean(), {
        "agreement": divergence.agreement(scores, targets),
        "score_gap": (targets.max(axis=1) - targets.mean(axis=1)).mean(),
    }
