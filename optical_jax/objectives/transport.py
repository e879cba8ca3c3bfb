"""Optimal transport between student and teacher tokens: the objective of OPTICAL."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from optical_jax.objectives import pairs, tokens
from optical_jax.ot import cost, diagnostics, ipot, marginals, sinkhorn

_COSTS = {"cosine": cost.cosine, "squared-euclidean": cost.squared_euclidean}
# Bounds for unit vectors.
_LARGEST_COST = {"cosine": 2.0, "squared-euclidean": 4.0}
# Masses that are made of an array beside the texts, or of what the encoder gives.
_IMPORTANCE = ("idf", "norm", "attention")
# Importance of a token that a word aligner links to none; of the others 1.
UNLINKED = 0.1

Solver = Literal["auto", "ott", "scaling", "ipot"]


@dataclass(frozen=True, kw_only=True)
class TransportConfig(pairs.PairsConfig):
    """Settings of the transport objective; the defaults are this project's choices."""

    # Of moving mass between two tokens: 1 - cos, or |x - y|^2.
    cost: Literal["cosine", "squared-euclidean"] = "cosine"
    # Mass of a sentence. "tokens": even over its real tokens. "slots": even over all its
    # query slots, [MASK] included. By importance of real tokens: "idf" (rare in the
    # bitext), "norm" (the encoder's vector before it is normalised), "attention" (received
    # in the encoder's last layer), "links" (a statistical word aligner, see
    # objectives.word_links, links it to a token of the translation: ten times the others').
    marginals: Literal["tokens", "slots", "idf", "norm", "attention", "links"] = (
        "tokens"
    )
    # 1: student tokens send all of their mass. Below 1 they are only asked to (unbalanced
    # transport, ott-jax's tau), and their importance is learned with the plan: what nothing
    # translates is moved less.
    tau_a: float = 1.0
    # The same for what teacher tokens receive: below 1, less by what nothing expresses.
    tau_b: float = 1.0
    # Strength of the entropy, in units of the cost; of the proximal steps of "ipot", whose
    # result does not depend on it.
    epsilon: float = 0.05
    # Epsilon at the start of the run, from where it falls geometrically to its own value.
    # 0: no annealing.
    anneal_from: float = 0.0
    # The part of the run, in (0, 1], after which it has arrived there.
    anneal_until: float = 0.5
    # Of one solve; all of them are run.
    iterations: int = 100
    # "ipot": transport without entropy. Else Sinkhorn, see ot.sinkhorn.
    solver: Solver = "auto"
    # Epsilon within one solve of "ott".
    decay: sinkhorn.Decay = sinkhorn.NO_DECAY
    # What tokens cost more to the plan, though not in the loss, where the word aligner does
    # not link them: few steps into a run it knows more of what translates what than the
    # student's vectors do. 0: costs as they are.
    link_weight: float = 0.0
    # Weight of 1 - cosine of both sentences' mean vectors.
    sentence_weight: float = 0.0
    # Weight of the same loss for the source sentence, which the student encodes too, so
    # that it goes on encoding the teacher's language as the teacher does.
    source_weight: float = 0.0

    @property
    def uses(self) -> tuple[tokens.Use, ...]:
        """Texts that are encoded, by whom, and the arrays beside them."""
        extras = (self.marginals,) if self.marginals in _IMPORTANCE else ()
        student, *others = pairs.uses(self.side, *extras, source=self.source_weight > 0)
        if self.linked:
            student = student._replace(extras=(*extras, "links"))
        return (student, *others)

    @property
    def linked(self) -> bool:
        """Whether a word aligner's links are asked for."""
        return self.link_weight > 0 or self.marginals == "links"

    def __post_init__(self) -> None:
        """Check ranges before any long work."""
        positive = "must be > 0 (0.01 is sharp, 0.5 is soft)"
        self._require(self.epsilon > 0, "epsilon", positive)
        start = self.anneal_from
        self._require(
            start == 0 or start >= self.epsilon,
            "anneal_from",
            f"must be 0 (no annealing) or at least epsilon ({self.epsilon})",
        )
        self._require(0 < self.anneal_until <= 1, "anneal_until", "must be in (0, 1]")
        self._require(self.iterations >= 1, "iterations", "must be at least 1")
        for name in ("tau_a", "tau_b"):
            rule = "must be in (0, 1]; 1 is balanced"
            self._require(0 < getattr(self, name) <= 1, name, rule)
        for name in ("link_weight", "sentence_weight", "source_weight"):
            self._require(getattr(self, name) >= 0, name, "must be >= 0")
        if self.solver == "ipot":
            balanced = self.tau_a == self.tau_b == 1
            self._require(balanced, "solver", "must not be 'ipot' with tau < 1")
            fixed = self.decay == sinkhorn.NO_DECAY
            self._require(fixed, "solver", "must not be 'ipot' with a decay of epsilon")
        self.resolved_solver()

    def _require(self, holds: bool, name: str, rule: str) -> None:
        if not holds:
            raise ValueError(
                f"objective.transport.{name} {rule}, got {getattr(self, name)}"
            )

    def resolved_solver(self) -> Literal["ott", "scaling", "ipot"]:
        """Return the solver that "auto" stands for at the sharpest epsilon of the run."""
        largest = _LARGEST_COST[self.cost] + self.link_weight
        if self.solver == "ipot":
            ipot.check(beta=self.epsilon, largest_cost=largest)
            return "ipot"
        return sinkhorn.choose(
            self.solver,
            epsilon=self.epsilon,
            largest_cost=largest,
            tau_a=self.tau_a,
            decay=self.decay,
        )


def loss(
    encode: tokens.Encode, config: TransportConfig
) -> tuple[Float[Array, ""], pairs.Metrics]:
    """Move the student's tokens of X sentences onto the teacher's of their translations.

        loss = mean over pairs of <stop_gradient(P), C>_F,   P the transport plan for C

    The gradient of <stop_gradient(P), C> is the envelope gradient of the transport problem's
    optimal value, entropy and relaxed marginals included, so nothing is differentiated
    through the iterations.

    Args:
        encode: gives the student's tokens of field "target" [b m p] and the teacher's of
            field "source" [b n p]; with a source_weight, the student's of "source" too; where
            the config is linked, the array "links" [b m k] beside "target", n <= k.
        config: see TransportConfig.

    Returns:
        The loss and its metrics, all means over the batch: transport_cost, marginal_error
        (L1), plan_entropy (nats), `pairs.monitors`; and, where the config has them, epsilon
        (now), mass (transported, of 1), sentence_cosine, source_cost.

    References:
        Huang, Yu, Allan: Improving Cross-lingual Information Retrieval on Low-Resource
        Languages via Optimal Transport Distillation, WSDM 2023, arXiv 2301.12566.
    """
    epsilon = epsilon_at(encode.progress, config)
    student, teacher = encode.student("target"), encode.teacher("source")
    links = _links(encode, student, teacher, config)
    b = _masses(encode, teacher, "teacher/source", config, linked=links.any(axis=1))
    a = _masses(encode, student, "student/target", config, linked=links.any(axis=2))
    dearer = config.link_weight * (1 - links)
    metrics = _transported(student, teacher, a, b, epsilon, config, dearer=dearer)
    value = metrics["transport_cost"]
    metrics |= pairs.monitors(student, teacher)
    if config.anneal_from:
        metrics["epsilon"] = epsilon
    if config.sentence_weight:
        cosine = pairs.cosines(pairs.pooled(student), pairs.pooled(teacher)).mean()
        metrics["sentence_cosine"] = cosine
        value = value + config.sentence_weight * (1 - cosine)
    if config.source_weight:
        kept = encode.student("source")
        # A sentence is its own translation: every token of it is linked.
        a = _masses(encode, kept, "student/source", config, linked=kept.mask)
        b = _masses(encode, teacher, "teacher/source", config, linked=teacher.mask)
        alike = jnp.zeros((*a.shape, b.shape[1]))
        found = _transported(kept, teacher, a, b, epsilon, config, dearer=alike)
        metrics["source_cost"] = found["transport_cost"]
        value = value + config.source_weight * metrics["source_cost"]
    return value, metrics


def epsilon_at(
    progress: Float[Array, ""], config: TransportConfig
) -> float | Float[Array, ""]:
    """Return epsilon when a part of the run, in [0, 1], is done."""
    if not config.anneal_from:
        return config.epsilon
    done = jnp.minimum(progress / config.anneal_until, 1.0)
    return config.anneal_from * (config.epsilon / config.anneal_from) ** done


def _links(
    encode: tokens.Encode,
    student: tokens.TokenBatch,
    teacher: tokens.TokenBatch,
    config: TransportConfig,
) -> Float[Array, "b m n"]:
    """Return 1 where the word aligner links tokens, if the config asks for it, else 0."""
    rows, columns = map(pairs.text_slots, (student, teacher))
    slots = rows[:, :, None] & columns[:, None]
    if not config.linked:
        return jnp.zeros(slots.shape)
    links = encode.array("student/target", "links")[..., : slots.shape[2]]
    return jnp.where(slots, links.astype(jnp.float32), 0.0)


def _masses(
    encode: tokens.Encode,
    batch: tokens.TokenBatch,
    key: str,
    config: TransportConfig,
    *,
    linked: Bool[Array, "b t"],
) -> Float[Array, "b t"]:
    """Return the mass of every slot of a text; no gradient flows through it."""
    if config.marginals == "slots":
        return jax.vmap(marginals.uniform)(batch.scored)
    slots = pairs.text_slots(batch)
    if config.marginals == "tokens":
        return jax.vmap(marginals.uniform)(slots)
    importance = {
        "idf": lambda: encode.array(key, "idf"),
        "norm": lambda: batch.norm,
        "attention": lambda: batch.attention,
        "links": lambda: jnp.where(linked, 1.0, UNLINKED),
    }[config.marginals]()
    return jax.vmap(marginals.weighted)(slots, jax.lax.stop_gradient(importance))


def _transported(
    student: tokens.TokenBatch,
    teacher: tokens.TokenBatch,
    a: Float[Array, "b m"],
    b: Float[Array, "b n"],
    epsilon: float | Float[Array, ""],
    config: TransportConfig,
    *,
    dearer: Float[Array, "b m n"],
) -> pairs.Metrics:
    """Return the metrics of the plans, means over the batch; gradients flow to the cost."""

    def one(x: Array, y: Array, a: Array, b: Array, dearer: Array) -> pairs.Metrics:
        cost_matrix, plan = pair_plan(
            x, y, a, b, config, epsilon=epsilon, dearer=dearer
        )
        metrics = {
            "transport_cost": jnp.sum(plan * cost_matrix),
            "marginal_error": diagnostics.marginal_error(plan, a, b),
            "plan_entropy": diagnostics.entropy(plan),
        }
        if config.tau_a < 1 or config.tau_b < 1:
            metrics["mass"] = plan.sum()
        return metrics

    metrics = jax.vmap(one)(student.vectors, teacher.vectors, a, b, dearer)
    return jax.tree.map(jnp.mean, metrics)


def pair_plan(
    student: Float[Array, "m p"],
    teacher: Float[Array, "n p"],
    a: Float[Array, " m"],
    b: Float[Array, " n"],
    config: TransportConfig,
    *,
    epsilon: float | Float[Array, ""],
    dearer: float | Float[Array, "m n"] = 0.0,
) -> tuple[Float[Array, "m n"], Float[Array, "m n"]]:
    """Return cost matrix and plan of one sentence pair with masses a and b.

    The plan is that of costs which are `dearer` by so much.
    """
    cost_matrix = _COSTS[config.cost](student, teacher)
    fixed = jax.lax.stop_gradient(cost_matrix) + dearer
    solver = config.resolved_solver()
    if solver == "ipot":
        plan = ipot.transport_plan(
            fixed, a, b, beta=epsilon, iterations=config.iterations
        )
    else:
        plan = sinkhorn.transport_plan(
            fixed,
            a,
            b,
            epsilon=epsilon,
            iterations=config.iterations,
            solver=solver,
            tau_a=config.tau_a,
            tau_b=config.tau_b,
            decay=config.decay,
        )
    return cost_matrix, jax.lax.stop_gradient(plan)
