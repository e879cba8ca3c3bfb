"""Optimal transport between student and teacher tokens: the objective of OPTICAL."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from optical_jax.objectives import tokens
from optical_jax.ot import cost, diagnostics, marginals, sinkhorn

_COSTS = {"cosine": cost.cosine, "squared-euclidean": cost.squared_euclidean}
# Bounds for unit vectors.
_LARGEST_COST = {"cosine": 2.0, "squared-euclidean": 4.0}


@dataclass(frozen=True, kw_only=True)
class TransportConfig:
    """Settings of the transport objective; the defaults are this project's choices."""

    cost: Literal["cosine", "squared-euclidean"] = "cosine"
    # Mass over the student's real tokens, or over all its query slots ([MASK] included).
    marginals: Literal["tokens", "slots"] = "tokens"
    # Strength of the entropy, in units of the cost.
    epsilon: float = 0.05
    iterations: int = 100
    solver: sinkhorn.Solver = "auto"

    uses: ClassVar = (
        tokens.Use("student", "target", "query"),
        tokens.Use("teacher", "source", "query"),
    )

    def __post_init__(self) -> None:
        """Check ranges before any long work."""
        if not self.epsilon > 0:
            raise ValueError(
                "objective.transport.epsilon must be > 0 (0.01 is sharp, 0.5 is soft), "
                f"got {self.epsilon}"
            )
        if self.iterations < 1:
            raise ValueError(
                f"objective.transport.iterations must be at least 1, got {self.iterations}"
            )
        self.resolved_solver()

    def resolved_solver(self) -> sinkhorn.Solver:
        """Return the solver that "auto" stands for at this epsilon."""
        return sinkhorn.choose(
            self.solver, epsilon=self.epsilon, largest_cost=_LARGEST_COST[self.cost]
        )


def loss(
    encode: tokens.Encode, config: TransportConfig
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Move the student's tokens of X sentences onto the teacher's of their translations.

        loss = mean over pairs of <stop_gradient(P), C>_F,   P the entropic plan for C

    The gradient of <stop_gradient(P), C> is the envelope gradient of the entropic cost, so
    nothing is differentiated through the iterations.

    Args:
        encode: gives the student's tokens of field "target" [b m p] and the teacher's of
            field "source" [b n p].
        config: see TransportConfig.

    Returns:
        The loss and its metrics, all means over the batch: transport_cost, marginal_error
        (L1), plan_entropy (nats), student_cosine (mean pairwise cosine of the student's
        tokens: a collapse monitor) and teacher_cosine beside it.

    References:
        Huang, Yu, Allan: Improving Cross-lingual Information Retrieval on Low-Resource
        Languages via Optimal Transport Distillation, WSDM 2023, arXiv 2301.12566.
    """
    student, teacher = encode.student("target"), encode.teacher("source")
    student_slots = student.scored
    if config.marginals == "tokens":
        student_slots = student.scored & student.mask
    teacher_slots = teacher.scored & teacher.mask
    metrics = jax.vmap(lambda s, t, i, j: _pair(s, t, i, j, config))(
        student.vectors, teacher.vectors, student_slots, teacher_slots
    )
    metrics = jax.tree.map(jnp.mean, metrics)
    return metrics["transport_cost"], metrics


def pair_plan(
    student: Float[Array, "m p"],
    teacher: Float[Array, "n p"],
    student_slots: Bool[Array, " m"],
    teacher_slots: Bool[Array, " n"],
    config: TransportConfig,
) -> tuple[
    Float[Array, "m n"], Float[Array, "m n"], Float[Array, " m"], Float[Array, " n"]
]:
    """Return cost matrix, plan and both marginals of one sentence pair."""
    cost_matrix = _COSTS[config.cost](student, teacher)
    a, b = marginals.uniform(student_slots), marginals.uniform(teacher_slots)
    plan = sinkhorn.transport_plan(
        jax.lax.stop_gradient(cost_matrix),
        a,
        b,
        epsilon=config.epsilon,
        iterations=config.iterations,
        solver=config.resolved_solver(),
    )
    return cost_matrix, jax.lax.stop_gradient(plan), a, b


def _pair(
    student: Float[Array, "m p"],
    teacher: Float[Array, "n p"],
    student_slots: Bool[Array, " m"],
    teacher_slots: Bool[Array, " n"],
    config: TransportConfig,
) -> dict[str, Float[Array, ""]]:
    cost_matrix, plan, a, b = pair_plan(
        student, teacher, student_slots, teacher_slots, config
    )
    return {
        "transport_cost": jnp.sum(plan * cost_matrix),
        "marginal_error": diagnostics.marginal_error(plan, a, b),
        "plan_entropy": diagnostics.entropy(plan),
        "student_cosine": diagnostics.mean_pairwise_cosine(student, student_slots),
        "teacher_cosine": diagnostics.mean_pairwise_cosine(teacher, teacher_slots),
    }
