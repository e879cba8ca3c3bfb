"""How far a student's scores of some documents are from the scores they should have.

Both measures leave a constant added to all scores of a query alone: rankings do not depend
on it, and a student's tokens may lie farther from every document than the teacher's.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def kl(scores: Float[Array, "q k"], targets: Float[Array, "q k"]) -> Float[Array, " q"]:
    """Return KL(softmax(targets) || softmax(scores)) of each query, in nats.

    The loss of ColBERTv2 (arXiv 2112.01488) and Translate-Distill (arXiv 2401.04810).
    """
    log_targets = jax.nn.log_softmax(targets)
    difference = log_targets - jax.nn.log_softmax(scores)
    return jnp.sum(jnp.exp(log_targets) * difference, axis=1)


def margin_mse(
    scores: Float[Array, "q k"], targets: Float[Array, "q k"]
) -> Float[Array, " q"]:
    """Return the mean over all pairs of documents of the squared error of the margin.

        mean over i < j of ((s_i - s_j) - (t_i - t_j))^2

    With two documents this is the loss of Hofstätter et al. (arXiv 2010.02666).
    """
    error = scores - targets
    k = scores.shape[1]
    # sum over i < j of (e_i - e_j)^2 = k^2 variance(e), over k (k - 1) / 2 pairs.
    return jnp.var(error, axis=1) * 2 * k / max(k - 1, 1)


def agreement(
    scores: Float[Array, "q k"], targets: Float[Array, "q k"]
) -> Float[Array, ""]:
    """Return the part of the queries whose best document is the targets' best."""
    return jnp.mean(scores.argmax(axis=1) == targets.argmax(axis=1))
