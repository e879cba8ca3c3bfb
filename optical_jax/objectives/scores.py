"""Teacher scores over unlabelled passages, distilled through bitext.

The teacher scores a sentence in its own language over passages; the student must score the
translation the same way. What is learned is ranking itself, and neither a query nor a
relevance judgment in any language is needed: only sentences, their translations, and
passages in the language of the teacher.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
from jaxtyping import Array, Float

from optical_jax.objectives import divergence, interaction, tokens
from optical_jax.ot import diagnostics


@dataclass(frozen=True, kw_only=True)
class ScoresConfig:
    """Settings of score distillation through bitext; `data.passages` names the passages."""

    # "kl": the student's distribution over the passages of a batch is the teacher's.
    # "margin-mse": so are its differences between any two of them.
    form: Literal["kl", "margin-mse"] = "kl"
    # Divides scores, which are means over a sentence's tokens, in [-1, 1]. At 0.03, with
    # all-MiniLM-L6-v2 as teacher, 18 of 64 Wikipedia passages or 9 of 64 sentences share
    # the probability (exponential of the entropy); at 0.1 it is 55 and 30.
    temperature: float = 0.03

    uses: ClassVar = (
        tokens.Use("student", "target", "query"),
        tokens.Use("teacher", "source", "query"),
        tokens.Use("teacher", tokens.PASSAGE_FIELD, "document"),
    )

    def __post_init__(self) -> None:
        """Check ranges before any long work."""
        if not self.temperature > 0:
            raise ValueError(
                f"objective.scores.temperature must be > 0, got {self.temperature}"
            )


def loss(
    encode: tokens.Encode, config: ScoresConfig
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Let translations score the passages of the batch as the teacher scores the originals.

        loss = T mean over pairs of D(maxsim(target, passages) / T, maxsim(source, passages) / T)

    with D the divergence that the config names and maxsim a mean over query tokens. The
    factor T makes the gradient with respect to a score a difference of probabilities, at any
    T: the weights of a mix mean the same.

    Args:
        encode: gives the student's tokens of field "target" [b m p], the teacher's of
            field "source" [b n p] and of the batch's passages [d l p].
        config: see ScoresConfig.

    Returns:
        The loss and its metrics: agreement (the student's best passage is the teacher's),
        score_gap (teacher's best minus its mean score, undivided: how much there is to
        learn from these passages) and student_cosine (collapse monitor).

    References:
        KL and margin-MSE as in Translate-Distill (arXiv 2401.04810), which has the scores
        of a cross-encoder over judged queries.
    """
    student, teacher = encode.student("target"), encode.teacher("source")
    passages = encode.teacher(tokens.PASSAGE_FIELD)
    scores = interaction.per_slot(interaction.every_pair(student, passages), student)
    targets = interaction.per_slot(interaction.every_pair(teacher, passages), teacher)
    targets = jax.lax.stop_gradient(targets)
    measure = divergence.kl if config.form == "kl" else divergence.margin_mse
    values = measure(scores / config.temperature, targets / config.temperature)
    cosines = jax.vmap(diagnostics.mean_pairwise_cosine)(
        student.vectors, student.scored & student.mask
    )
    return config.temperature * values.mean(), {
        "agreement": divergence.agreement(scores, targets),
        "score_gap": (targets.max(axis=1) - targets.mean(axis=1)).mean(),
        "student_cosine": cosines.mean(),
    }
