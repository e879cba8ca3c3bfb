"""Gradients of a large batch in the memory of a small one.

An in-batch objective needs the vectors of the whole batch at once, but not the
activations behind them. GradCache (Gao, Zhang, Han, Callan 2021, arXiv 2101.06983)
encodes chunk by chunk and keeps vectors alone, takes the gradient of the loss with respect
to them, and encodes every chunk a second time to pull its part back to the parameters. The
gradient is that of the whole batch, not an approximation.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

Rows = dict[str, Array]
# What a text becomes: its vectors, and what else the objective needs of the encoder.
Texts = PyTree[Float[Array, "..."]]
Encode = Callable[[PyTree, str, Rows, Int[Array, ""]], Texts]
Loss = Callable[[dict[str, Texts]], tuple[Float[Array, ""], Any]]


def value_and_grad(
    loss: Loss,
    encode: Encode,
    params: PyTree,
    fields: Mapping[str, Rows],
    *,
    chunk: int,
) -> tuple[tuple[Float[Array, ""], Any], PyTree]:
    """Return ((loss, aux), gradient of the parameters) of a batch, chunk by chunk.

    Args:
        loss: a function of what every field's rows [n ...] become, in their order.
        encode: `(params, field, rows [c ...], number of the chunk) -> arrays [c ...]`. It
            runs twice on each chunk and must give the same arrays: dropout draws from a key
            that depends on field and number alone.
        params: what is differentiated.
        fields: field -> arrays [n ...] that are encoded, row by row.
        chunk: rows encoded at once.

    Raises:
        ValueError: if a field has more rows than chunk and no multiple of it.
    """
    chunks = {name: _split(name, rows, chunk) for name, rows in fields.items()}
    vectors = {
        name: _joined(
            jax.lax.map(
                lambda part, name=name: encode(params, name, *part), _numbered(parts)
            )
        )
        for name, parts in chunks.items()
    }
    result, cotangents = jax.value_and_grad(loss, has_aux=True)(vectors)
    grads = jax.tree.map(jnp.zeros_like, params)
    for name, parts in chunks.items():

        def pull(total: PyTree, part: Any, name: str = name) -> tuple[PyTree, None]:
            (rows, number), cotangent = part
            _, back = jax.vjp(lambda p: encode(p, name, rows, number), params)
            return jax.tree.map(jnp.add, total, back(cotangent)[0]), None

        pulled = _numbered(parts), _split(name, cotangents[name], chunk)
        grads, _ = jax.lax.scan(pull, grads, pulled)
    return result, grads


def _split(name: str, rows: PyTree, chunk: int) -> PyTree:
    """Cut arrays [n ...] to [parts c ...]; part i takes every parts-th row.

    So each device goes on working on rows that it holds.
    """
    count = jax.tree.leaves(rows)[0].shape[0]
    if chunk < 1 or (count > chunk and count % chunk):
        raise ValueError(
            f"optimizer.gradcache_chunk must divide the {count} texts of {name}, got "
            f"{chunk}"
        )
    parts = max(1, count // chunk)
    return jax.tree.map(
        lambda x: x.reshape(count // parts, parts, *x.shape[1:]).swapaxes(0, 1), rows
    )


def _numbered(parts: PyTree) -> tuple[PyTree, Int[Array, " parts"]]:
    return parts, jnp.arange(jax.tree.leaves(parts)[0].shape[0])


def _joined(parts: PyTree) -> PyTree:
    """Undo `_split`."""

    def join(x: Float[Array, "parts c ..."]) -> Float[Array, "n ..."]:
        rows = x.swapaxes(0, 1)
        return rows.reshape(-1, *rows.shape[2:])

    return jax.tree.map(join, parts)
