"""A train step over the rows of the word embeddings that the batch uses.

A gradient of the whole table, and an optimizer that reads and writes all of it, cost more
than an encoder layer, for the hundreds of rows among tens of thousands that a batch holds.
Adagrad leaves a row without gradient as it is, so a step over the used rows alone changes
the same numbers in the same way; Adam's momentum would go on moving the others.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from optical_jax.config import Config
from optical_jax.training import optimizer


def serves(config: Config, abstract: nnx.State) -> bool:
    """Return whether rows that a batch does not use keep their values and their state.

    Args:
        config: the run.
        abstract: the trained parameters, for their paths.
    """
    if config.optimizer.embedding_optimizer != "adagrad":
        return False
    words = jax.tree.leaves(optimizer.words(abstract))
    frozen = jax.tree.leaves(optimizer.frozen(abstract, config.student.freeze))
    return any(w and not f for w, f in zip(words, frozen, strict=True))


def narrow(
    state: Any,  # noqa: ANN401
    batch: dict[str, Any],
    kept: int = 0,
) -> tuple[Any, dict[str, Any], Int[Array, " u"]]:
    """Return state and batch as if the vocabulary were what the student reads here.

    Args:
        state: parameters and optimizer state, any tree with word tables in it.
        batch: fields of arrays.
        kept: ids below this keep their number: XLM-R's positions depend on which ids are
            padding (`bert.positions`).

    Returns:
        The narrow state; the batch, whose "ids" of the student's texts now count rows of
        the narrow table; the table's rows in the narrow one, ascending, the last
        ones beyond the table where the batch holds fewer.
    """
    ids = {
        key: field["ids"]
        for key, field in batch.items()
        if key.startswith("student/") and "ids" in field
    }
    total = _height(state)
    flat = jnp.concatenate([jnp.arange(kept), *(x.reshape(-1) for x in ids.values())])
    found = jnp.unique(flat, size=min(flat.size, total), fill_value=total)
    # Distinct where there is no row, too: scatters need not look for doubles.
    rows = jnp.where(found < total, found, total + jnp.arange(found.size))
    narrow_state = _over_words(
        lambda table: jnp.take(table, rows, axis=0, mode="clip"), state
    )
    own = {
        key: {**batch[key], "ids": jnp.searchsorted(rows, x).astype(x.dtype)}
        for key, x in ids.items()
    }
    return narrow_state, {**batch, **own}, rows


def widen(narrow_state: Any, state: Any, rows: Int[Array, " u"]) -> Any:  # noqa: ANN401
    """Return the narrow state with the rows of `state` that it lacks.

    Args:
        narrow_state: what a step made of `narrow`'s first result.
        state: what `narrow` was given.
        rows: its last result.
    """
    return _over_words(
        lambda table, part: table.at[rows].set(
            part, mode="drop", indices_are_sorted=True, unique_indices=True
        ),
        state,
        narrow_state,
    )


def _height(state: Any) -> int:  # noqa: ANN401
    heights: set[int] = set()
    _over_words(lambda table: heights.add(table.shape[0]), state)
    (height,) = heights
    return height


def _over_words(change: Any, state: Any, *others: Any) -> Any:  # noqa: ANN401
    """Map the word tables of a tree; of other leaves the last tree's are returned."""
    return jax.tree.map(
        lambda is_word, *trees: jax.tree.map(change, *trees) if is_word else trees[-1],
        optimizer.words(state),
        state,
        *others,
    )
