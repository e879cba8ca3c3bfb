"""From a plan, or any scores of token pairs, to links; one pair of sentences at a time."""

import numpy as np
from jaxtyping import Bool, Float


def mutual(scores: Float[np.ndarray, "m n"]) -> Bool[np.ndarray, "m n"]:
    """Link i and j where each is the best for the other (argmax both ways).

    The first of equal scores is the best one; rows and columns of no token are -inf.
    Sabet et al., SimAlign, Findings of EMNLP 2020, arXiv 2004.08728, call it "argmax".
    """
    linked = np.zeros(scores.shape, bool)
    if not scores.size:
        return linked
    best = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    kept = (scores.argmax(axis=0)[best] == rows) & np.isfinite(scores[rows, best])
    linked[rows[kept], best[kept]] = True
    return linked


def above(
    plan: Float[np.ndarray, "m n"], *, threshold: float
) -> Bool[np.ndarray, "m n"]:
    """Link i and j where the plan moves more than a share of what they can exchange.

    The share is P_ij / sqrt(r_i c_j), with r and c the plan's marginals: the geometric
    mean of the shares of i's mass and of j's. Arase, Bao, Yokoi: Unbalanced Optimal
    Transport for Unbalanced Word Alignment, ACL 2023, arXiv 2306.04116, cut plans so.
    """
    mass = np.sqrt(plan.sum(axis=1, keepdims=True) * plan.sum(axis=0, keepdims=True))
    return plan > threshold * mass
