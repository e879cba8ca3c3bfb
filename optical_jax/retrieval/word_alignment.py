"""Which words of a sentence pair the student and its teacher put together.

Tokens are linked by the transport plan between them, or by their cosines alone, and words
are linked where any of their tokens are (as in SimAlign, arXiv 2004.08728).
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from optical_jax.data.links import Link
from optical_jax.data.sources import Pair
from optical_jax.models.retriever import Retriever
from optical_jax.ot import cost, links, marginals, sinkhorn
from optical_jax.retrieval import encode
from optical_jax.retrieval.encode import TokenVectors

# Begin and end of each word in its text.
Spans = Int[np.ndarray, "_ 2"]

_ITERATIONS = 100
_LARGEST_COST = 2.0
# Lengths are padded to multiples of it, so that few shapes are compiled.
_STEP = 16


def word_links(
    student: Retriever,
    teacher: Retriever,
    pairs: Sequence[Pair],
    words: Sequence[tuple[Spans, Spans]],
    *,
    epsilon: float,
    threshold: float,
    batch_size: int = 64,
) -> dict[str, list[set[Link]]]:
    """Link the words of each pair in several ways.

    Args:
        student: encodes the targets, as queries.
        teacher: encodes the sources, as queries.
        pairs: sentences and their translations.
        words: of each pair where the source's and the target's words are.
        epsilon: of the transport between all tokens of a pair, with even masses.
        threshold: of "transport, share", see `ot.links.above`.
        batch_size: pairs solved at once.

    Returns:
        {"transport, mutual" | "transport, share" | "cosine, mutual": the (source word,
        target word) links of each pair}.
    """
    sources, targets = [p.source for p in pairs], [p.target for p in pairs]
    x = encode.encode_queries(student, targets, batch_size=batch_size)
    y = encode.encode_queries(teacher, sources, batch_size=batch_size)
    x_places = student.text.query_places(targets)
    y_places = teacher.text.query_places(sources)
    found: dict[str, list[set[Link]]] = {
        "transport, mutual": [],
        "transport, share": [],
        "cosine, mutual": [],
    }
    for start in range(0, len(pairs), batch_size):
        stop = min(start + batch_size, len(pairs))
        for i, plan in enumerate(_plans(x, y, start, stop, batch_size, epsilon), start):
            rows, columns = _holds_text(x_places[i]), _holds_text(y_places[i])
            of_text = np.ix_(rows, columns)
            cosine = (x[i] @ y[i].T)[of_text]
            plan = plan[of_text]
            tokens = {
                "transport, mutual": links.mutual(plan),
                "transport, share": links.above(plan, threshold=threshold),
                "cosine, mutual": links.mutual(cosine),
            }
            of_rows = _in_words(x_places[i][rows], words[i][1])
            of_columns = _in_words(y_places[i][columns], words[i][0])
            for name, linked in tokens.items():
                between = of_columns.T @ linked.T @ of_rows
                found[name].append({(int(s), int(t)) for s, t in np.argwhere(between)})
    return found


def _holds_text(places: Int[np.ndarray, "l 2"]) -> Bool[np.ndarray, " l"]:
    return places[:, 1] > places[:, 0]


def _in_words(places: Int[np.ndarray, "l 2"], words: Spans) -> Bool[np.ndarray, "l w"]:
    """Tell which tokens share a character with which words."""
    begins = np.maximum(places[:, :1], words[:, 0])
    return begins < np.minimum(places[:, 1:], words[:, 1])


def _plans(
    x: TokenVectors,
    y: TokenVectors,
    start: int,
    stop: int,
    batch_size: int,
    epsilon: float,
) -> list[Float[np.ndarray, "m n"]]:
    """Solve the transport of pairs start to stop, all padded to one shape."""
    solver = sinkhorn.choose("auto", epsilon=epsilon, largest_cost=_LARGEST_COST)
    sides = [_padded(side, start, stop, batch_size) for side in (x, y)]
    plans = np.asarray(_solve(*sides[0], *sides[1], epsilon=epsilon, solver=solver))
    sizes = zip(x.lengths[start:stop], y.lengths[start:stop], strict=True)
    return [plan[:m, :n] for plan, (m, n) in zip(plans, sizes, strict=False)]


def _padded(
    x: TokenVectors, start: int, stop: int, rows: int
) -> tuple[Float[np.ndarray, "b l d"], Bool[np.ndarray, "b l"]]:
    length = -(-int(x.lengths.max()) // _STEP) * _STEP
    vectors = np.zeros((rows, length, x.vectors.shape[1]), np.float32)
    chosen = np.zeros((rows, length), bool)
    for row, i in enumerate(range(start, stop)):
        vectors[row, : x.lengths[i]] = x[i]
        chosen[row, : x.lengths[i]] = True
    return vectors, chosen


@functools.partial(jax.jit, static_argnames=("epsilon", "solver"))
def _solve(
    x: Float[Array, "b m d"],
    x_chosen: Bool[Array, "b m"],
    y: Float[Array, "b n d"],
    y_chosen: Bool[Array, "b n"],
    *,
    epsilon: float,
    solver: sinkhorn.Solver,
) -> Float[Array, "b m n"]:
    def one(x: Array, i: Array, y: Array, j: Array) -> Array:
        return sinkhorn.transport_plan(
            cost.cosine(x, y),
            marginals.uniform(i),
            marginals.uniform(j),
            epsilon=epsilon,
            iterations=_ITERATIONS,
            solver=solver,
        )

    plans = jax.vmap(one)(x, x_chosen, y, y_chosen)
    return plans.astype(jnp.float32)
