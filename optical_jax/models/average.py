"""Several students of one start as one encoder: the mean of their parameters.

An ensemble at the cost of one encoder (model soups, Wortsman et al. 2022, arXiv 2203.05482).
Seeds and objectives may differ. What they start from may not: the mean of two encoders with
other vocabularies, or trained apart from their first step on, is none.
"""

import json
from collections.abc import Iterable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from optical_jax.models.retriever import Retriever


def average(first: Retriever, others: Iterable[Retriever]) -> Retriever:
    """Return the first retriever with the mean of its and the others' parameters.

    Others are taken one by one, so that an iterator may load them one by one. Sums are
    float32; parameters keep the first's dtypes.

    Raises:
        ValueError: naming what differs if encoder, head or vocabulary do.
    """
    add = jax.jit(_add, donate_argnums=0)
    total, count = jax.jit(_in_float32)(first.params), 1
    for count, other in enumerate(others, start=2):  # noqa: B007
        _check(first, other, number=count)
        total = add(total, other.params)
    return first.with_params(jax.jit(_share)(total, first.params, count))


def _in_float32(params: nnx.State) -> nnx.State:
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), params)


def _share(total: nnx.State, params: nnx.State, count: Int[Array, ""]) -> nnx.State:
    return jax.tree.map(lambda a, b: (a / count).astype(b.dtype), total, params)


def _add(total: nnx.State, params: nnx.State) -> nnx.State:
    return jax.tree.map(lambda a, b: a + b.astype(jnp.float32), total, params)


def _check(first: Retriever, other: Retriever, *, number: int) -> None:
    states = [json.loads(r.text.tokenizer.to_str()) for r in (first, other)]
    for name, same in (
        ("encoder (config.json)", first.encoder == other.encoder),
        ("head", first.head == other.head),
        ("vocabulary (tokenizer.json)", states[0] == states[1]),
    ):
        if not same:
            raise ValueError(
                f"encoders that are averaged must have one start, but number {number} has "
                f"another {name} than the first; give runs of the same config whose seeds "
                "or objectives differ"
            )
