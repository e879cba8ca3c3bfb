"""What objectives over sentence pairs share: their texts, losses of plans, monitors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from optical_jax.objectives.tokens import TokenBatch, Use
from optical_jax.ot import cost, diagnostics

Side = Literal["query", "document"]
Metrics = dict[str, Float[Array, ""]]
Plan = Callable[
    [Float[Array, "m n"], Bool[Array, " m"], Bool[Array, " n"]], Float[Array, "m n"]
]


def uses(side: Side, *extras: str, source: bool = False) -> tuple[Use, ...]:
    """Return the texts of a pair and who encodes them.

    Args:
        side: what both are encoded as.
        extras: names of arrays that both sides come with.
        source: whether the student encodes the teacher's sentence too.
    """
    both = (
        Use("student", "target", side, extras),
        Use("teacher", "source", side, extras),
    )
    return (*both, Use("student", "source", side, extras)) if source else both


@dataclass(frozen=True, kw_only=True)
class PairsConfig:
    """What the settings of objectives over sentence pairs share."""

    # What the student learns to encode: X queries for an English index, or X documents for
    # English queries. The teacher encodes the translations as the same.
    side: Side = "query"

    @property
    def uses(self) -> tuple[Use, ...]:
        """Texts that are encoded, by whom."""
        return uses(self.side)


def text_slots(tokens: TokenBatch) -> Bool[Array, "b t"]:
    """Return the slots that hold text and are scored; no [MASK] expansion."""
    return tokens.scored & tokens.mask


def monitors(student: TokenBatch, teacher: TokenBatch) -> Metrics:
    """Return student_cosine and teacher_cosine, means over the batch.

    The mean pairwise cosine of a text's vectors, or, where texts have one vector only, of
    the batch's: near 1 on the student's side but not on the teacher's means collapse.
    """
    return {
        f"{name}_cosine": _spread(tokens)
        for name, tokens in (("student", student), ("teacher", teacher))
    }


def _spread(tokens: TokenBatch) -> Float[Array, ""]:
    vectors, slots = jax.lax.stop_gradient(tokens.vectors), text_slots(tokens)
    if vectors.shape[1] == 1:
        return diagnostics.mean_pairwise_cosine(vectors[:, 0], slots[:, 0])
    return jax.vmap(diagnostics.mean_pairwise_cosine)(vectors, slots).mean()


def matched(
    student: TokenBatch, teacher: TokenBatch, plan: Plan
) -> tuple[Float[Array, ""], Metrics]:
    """Match tokens by a plan made of their costs, and move matches together.

    Args:
        student: the student's tokens [b m p].
        teacher: the teacher's tokens [b n p].
        plan: gives weights >= 0 of one pair's matches [m n], of its costs [m n] and of the
            slots that hold text on both sides; no gradient flows through it.

    Returns:
        See `moved`.
    """
    x, y = map(jax.lax.stop_gradient, (student.vectors, teacher.vectors))
    weights = jax.vmap(lambda x, y, i, j: plan(cost.cosine(x, y), i, j))(
        x, y, text_slots(student), text_slots(teacher)
    )
    return moved(student, teacher, weights)


def moved(
    student: TokenBatch, teacher: TokenBatch, weights: Float[Array, "b m n"]
) -> tuple[Float[Array, ""], Metrics]:
    """Move the student's tokens onto the teacher's that they are matched with.

        loss = mean over pairs of <P, C> / |P|,   C[i, j] = 1 - cos(i, j)

    For unit vectors |x - y|^2 = 2 (1 - cos): with a plan of ones this is the mean squared
    error of matched vectors of width p, times the constant p / 2. Unlike that error it
    does not shrink with the width, and it has the scale of the transport objective.

    Args:
        student: the student's tokens [b m p].
        teacher: the teacher's tokens [b n p].
        weights: of each match, >= 0; those of slots without text do not count.

    Returns:
        The loss (0 for a pair without matches), and metrics, means over the batch:
        linked_student and linked_teacher (the share of tokens that are matched with any),
        and `monitors`.
    """

    def one(x: Array, y: Array, rows: Array, columns: Array, plan: Array) -> Metrics:
        plan = jnp.where(rows[:, None] & columns[None], plan, 0.0)
        total = plan.sum()
        share = lambda linked, slots: linked.sum() / jnp.maximum(slots.sum(), 1)
        return {
            "loss": jnp.sum(plan * cost.cosine(x, y)) / jnp.where(total > 0, total, 1),
            "linked_student": share((plan > 0).any(axis=1), rows),
            "linked_teacher": share((plan > 0).any(axis=0), columns),
        }

    slots = text_slots(student), text_slots(teacher)
    metrics = jax.vmap(one)(student.vectors, teacher.vectors, *slots, weights)
    metrics = jax.tree.map(jnp.mean, metrics)
    value = metrics.pop("loss")
    return value, metrics | monitors(student, teacher)


def pooled(tokens: TokenBatch) -> Float[Array, "b p"]:
    """Return the mean of each text's unit vectors; a single-vector head's own vector.

    The mean is not normalised: its length tells how far the tokens agree.
    """
    slots = text_slots(tokens).astype(jnp.float32)
    total = jnp.einsum("bt,btp->bp", slots, tokens.vectors.astype(jnp.float32))
    return total / jnp.maximum(slots.sum(axis=1, keepdims=True), 1.0)


def cosines(x: Float[Array, "b p"], y: Float[Array, "b p"]) -> Float[Array, " b"]:
    """Return the cosine of each row of x with the same row of y; 0 for empty rows."""
    return jnp.sum(unit(x) * unit(y), axis=1)


def unit(x: Float[Array, "b p"]) -> Float[Array, "b p"]:
    """Return the rows divided by their lengths; rows of zeros stay so, gradients too."""
    square = jnp.sum(x * x, axis=1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-12))
