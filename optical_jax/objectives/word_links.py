"""Token regression along the links of a statistical word aligner."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from optical_jax.objectives import pairs, tokens


@dataclass(frozen=True, kw_only=True)
class WordLinksConfig(pairs.PairsConfig):
    """Settings of the word-links objective."""

    # Tokens are linked where the geometric mean of both directions' posteriors is above
    # it: high values keep what both are sure of.
    threshold: float = 0.4

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0 < self.threshold <= 1:
            raise ValueError(
                "objective.word_links.threshold must be above 0 and at most 1, got "
                f"{self.threshold}"
            )

    @property
    def uses(self) -> tuple[tokens.Use, ...]:
        """Texts that are encoded, by whom, and the links beside them."""
        student, teacher = pairs.uses(self.side)
        return (student._replace(extras=("links",)), teacher)


def loss(
    encode: tokens.Encode, config: WordLinksConfig
) -> tuple[Float[Array, ""], pairs.Metrics]:
    """Move the student's tokens onto those teacher tokens that a word aligner links them to.

    The aligner is trained before the student, on the bitext alone: IBM model 1 over the
    tokens of both tokenizers, in both directions. A token without a link teaches nothing;
    special tokens are linked to the same special tokens.

    Args:
        encode: gives the student's tokens of field "target" [b m p] with the array "links"
            [b m k], and the teacher's of field "source" [b n p], n <= k.
        config: see WordLinksConfig.

    Returns:
        The mean over links and pairs of 1 - cos (see `pairs.moved`), and the metrics of
        `pairs.moved`.
    """
    student, teacher = encode.student("target"), encode.teacher("source")
    links = encode.array("student/target", "links").astype(jnp.float32)
    return pairs.moved(student, teacher, links[..., : teacher.vectors.shape[1]])
