"""Sentence embeddings by their direction."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from optical_jax.objectives import pairs, tokens


@dataclass(frozen=True, kw_only=True)
class SentenceCosineConfig(pairs.PairsConfig):
    """Settings of the sentence-cosine objective."""

    # Weight of the same loss for the source sentence, encoded by the student too; 0: left out.
    source_weight: float = 0.0

    def __post_init__(self) -> None:
        """Check the range."""
        if not self.source_weight >= 0:
            raise ValueError(
                "objective.sentence_cosine.source_weight must be >= 0, got "
                f"{self.source_weight}"
            )

    @property
    def uses(self) -> tuple[tokens.Use, ...]:
        """Texts that are encoded, by whom."""
        return pairs.uses(self.side, source=self.source_weight > 0)


def loss(
    encode: tokens.Encode, config: SentenceCosineConfig
) -> tuple[Float[Array, ""], pairs.Metrics]:
    """Turn a sentence's embedding towards the teacher's of its translation.

        loss = mean over pairs of 1 - cos(S(target), T(source)) [+ w (1 - cos(S(source), ..))]

    Embeddings are means of a text's unit token vectors, or a single-vector head's vectors,
    for which this is half the error of sentence-mse.

    Args:
        encode: gives the student's tokens of field "target" [b m p], the teacher's of
            "source" [b n p] and, if it has a weight, the student's of "source".
        config: see SentenceCosineConfig.

    Returns:
        The loss, and metrics: cosine, source_cosine (of the student's source embedding) and
        `pairs.monitors`.
    """
    student, teacher = encode.student("target"), encode.teacher("source")
    truth = pairs.pooled(teacher)
    cosine = pairs.cosines(pairs.pooled(student), truth).mean()
    value, metrics = 1 - cosine, {"cosine": cosine}
    if config.source_weight:
        kept = pairs.cosines(pairs.pooled(encode.student("source")), truth).mean()
        value = value + config.source_weight * (1 - kept)
        metrics["source_cosine"] = kept
    return value, metrics | pairs.monitors(student, teacher)
