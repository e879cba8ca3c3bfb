"""Sinkhorn alone: our scaling solver against ott-jax and POT, at equal plan error.

    python -m benchmarks.sinkhorn

64 ragged problems of up to 32 x 32 tokens, epsilon 0.05 and 0.1, float32. Every solver gets
the fewest iterations (of 25, 50, 100, ...) that bring its plans within the same L1 distance
of a float64 solution; that time is compared.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import ot as pot
import ot.batch
from ott.geometry import geometry
from ott.solvers import linear

from benchmarks import timing
from optical_jax.ot import sinkhorn

_BATCH, _TOKENS, _WIDTH = 64, 32, 384
_ERROR = 1e-3
_ITERATIONS = (25, 50, 100, 200, 400, 800, 1600)


def _problems(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(_BATCH, _TOKENS, _WIDTH))
    y = x[:, rng.permutation(_TOKENS)] + 0.9 * rng.normal(size=x.shape)
    x, y = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (x, y))
    real = np.arange(_TOKENS) < rng.integers(8, _TOKENS + 1, (2, _BATCH, 1))
    a, b = real / real.sum(-1, keepdims=True)
    return (1 - x @ y.transpose(0, 2, 1)).astype(np.float32), a, b


def _reference(
    cost: np.ndarray, a: np.ndarray, b: np.ndarray, epsilon: float
) -> np.ndarray:
    plans = np.zeros(cost.shape)
    for k, (c, p, q) in enumerate(zip(cost.astype(np.float64), a, b, strict=True)):
        real = np.ix_(p > 0, q > 0)
        plans[k][real] = pot.bregman.sinkhorn_log(
            p[p > 0],
            q[q > 0],
            c[real],
            epsilon,
            numItermax=50_000,
            stopThr=1e-11,
            warn=False,
        )
    return plans


@functools.partial(jax.jit, static_argnames=("epsilon", "iterations", "solver"))
def _ours(c, a, b, *, epsilon, iterations, solver):  # noqa: ANN001, ANN202
    settings = {"epsilon": epsilon, "iterations": iterations, "solver": solver}
    return jax.vmap(lambda *x: sinkhorn.transport_plan(*x, **settings))(c, a, b)


@functools.partial(jax.jit, static_argnames=("epsilon", "iterations"))
def _ott_kernel(c, a, b, *, epsilon, iterations):  # noqa: ANN001, ANN202
    def one(c, a, b):  # noqa: ANN001, ANN202
        geom = geometry.Geometry(cost_matrix=c, epsilon=epsilon)
        return linear.solve(
            geom,
            a=a,
            b=b,
            lse_mode=False,
            min_iterations=iterations,
            max_iterations=iterations,
            inner_iterations=iterations,
        ).matrix

    return jax.vmap(one)(c, a, b)


def _pot_batch(c, a, b, *, epsilon, iterations):  # noqa: ANN001, ANN202
    return ot.batch.solve_batch(
        c, reg=epsilon, a=a, b=b, max_iter=iterations, tol=0.0
    ).plan


def main() -> None:
    """Measure and record."""
    cost, a, b = _problems()
    placed = [jnp.asarray(v, jnp.float32) for v in (cost, a, b)]
    host = [np.asarray(v, np.float32) for v in (cost, a, b)]
    rows = []
    for epsilon in (0.05, 0.1):
        expected = _reference(cost, a, b, epsilon)
        solvers = {
            "scaling": lambda n, e=epsilon: _ours(
                *placed, epsilon=e, iterations=n, solver="scaling"
            ),
            "ott-jax log domain": lambda n, e=epsilon: _ours(
                *placed, epsilon=e, iterations=n, solver="ott"
            ),
            "ott-jax kernel": lambda n, e=epsilon: _ott_kernel(
                *placed, epsilon=e, iterations=n
            ),
            "POT solve_batch": lambda n, e=epsilon: _pot_batch(
                *host, epsilon=e, iterations=n
            ),
        }
        chosen = {}
        for name, solve in solvers.items():
            for n in _ITERATIONS:
                error = np.abs(np.asarray(solve(n)) - expected).sum((1, 2)).max()
                if error <= _ERROR:
                    chosen[name] = (functools.partial(solve, n), n, float(error))
                    break
        best = timing.seconds({k: v[0] for k, v in chosen.items()}, rounds=7)
        rows += [
            timing.row(
                "sinkhorn",
                best["scaling"],
                best[name],
                name,
                epsilon=epsilon,
                iterations={"ours": chosen["scaling"][1], "peer": chosen[name][1]},
                plan_error={"ours": chosen["scaling"][2], "peer": chosen[name][2]},
            )
            for name in chosen
            if name != "scaling"
        ]
    timing.record(rows)


if __name__ == "__main__":
    main()
