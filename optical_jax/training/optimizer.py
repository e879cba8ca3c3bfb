"""AdamW with warm-up and schedule; Adagrad for word embeddings; frozen parameters."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from optical_jax.config import OptimizerConfig
from optical_jax.models import family

WORD_EMBEDDINGS = "/".join(map(str, family.WORD))


def schedule(config: OptimizerConfig, *, steps: int) -> optax.Schedule:
    """Return the learning rate by step: linear warm-up, then the schedule to zero."""
    peak, warmup = config.learning_rate, config.warmup_steps
    rest = max(steps - warmup, 1)
    after = {
        "cosine": optax.cosine_decay_schedule(peak, rest),
        "linear": optax.linear_schedule(peak, 0.0, rest),
        "constant": optax.constant_schedule(peak),
    }[config.schedule]
    # Step 0 already learns: a warm-up from 0 would spend a step on nothing.
    up = optax.linear_schedule(peak / (warmup + 1), peak, max(warmup, 1))
    return optax.join_schedules([up, after], [warmup])


def make(
    config: OptimizerConfig, abstract: nnx.State, *, steps: int, freeze: tuple[str, ...]
) -> optax.GradientTransformation:
    """Return the optimizer; frozen parameters get no update and no state.

    Args:
        config: see OptimizerConfig.
        abstract: parameters, for their paths.
        steps: length of the schedule.
        freeze: regular expressions on parameter paths joined by "/".

    Raises:
        ValueError: if a pattern matches no parameter, or all are frozen.
    """
    learned = _learned(config, abstract, steps)
    if config.clip_norm:
        learned = optax.chain(optax.clip_by_global_norm(config.clip_norm), learned)
    if not freeze:
        return learned
    labels = jax.tree.map(
        lambda is_frozen: "frozen" if is_frozen else "learned", frozen(abstract, freeze)
    )
    return optax.partition({"learned": learned, "frozen": optax.set_to_zero()}, labels)


def _learned(
    config: OptimizerConfig, abstract: nnx.State, steps: int
) -> optax.GradientTransformation:
    """Return AdamW of all parameters, or all but word embeddings, which have Adagrad."""
    rate = schedule(config, steps=steps)
    adamw = optax.adamw(
        rate,
        b1=config.b1,
        b2=config.b2,
        eps=config.eps,
        weight_decay=config.weight_decay,
        # Norms and biases are not decayed.
        mask=lambda params: jax.tree.map(lambda p: jnp.ndim(p) > 1, params),
    )
    table = words(abstract)
    if config.embedding_optimizer == "adam":
        return optax.chain(
            adamw, optax.masked(optax.scale(config.embedding_rate), table)
        )
    adagrad = optax.chain(
        optax.scale_by_rss(initial_accumulator_value=0.0, eps=config.eps**2),
        optax.scale_by_learning_rate(rate),
        optax.scale(config.embedding_rate),
    )
    labels = jax.tree.map(lambda is_word: "word" if is_word else "other", table)
    return optax.partition({"word": adagrad, "other": adamw}, labels)


def words(tree: Any) -> Any:  # noqa: ANN401
    """Return for every parameter, or what is kept of it, whether it embeds words."""
    return _matching(tree, (WORD_EMBEDDINGS,))


def frozen(abstract: nnx.State, freeze: tuple[str, ...]) -> Any:  # noqa: ANN401
    """Return for every parameter whether a pattern of freeze matches its path.

    Raises:
        ValueError: if a pattern matches no parameter, or all are frozen.
    """
    paths = ["/".join(map(str, path)) for path, _ in nnx.to_flat_state(abstract)]
    for pattern in freeze:
        if not any(re.search(pattern, path) for path in paths):
            raise ValueError(
                f"student.freeze: {pattern!r} matches no parameter; paths look like "
                f"{paths[0]!r} and {paths[-1]!r}"
            )
    matched = _matching(abstract, freeze)
    if all(jax.tree.leaves(matched)):
        raise ValueError(f"student.freeze {freeze} leaves nothing to learn")
    return matched


def _matching(tree: Any, patterns: tuple[str, ...]) -> Any:  # noqa: ANN401
    def matches(path: Any, _: Any) -> bool:  # noqa: ANN401
        names = [str(getattr(k, "key", getattr(k, "idx", ""))) for k in path]
        joined = "/".join(n for n in names if n)
        return any(re.search(pattern, joined) for pattern in patterns)

    return jax.tree_util.tree_map_with_path(
        matches, tree, is_leaf=lambda x: isinstance(x, nnx.Variable)
    )
