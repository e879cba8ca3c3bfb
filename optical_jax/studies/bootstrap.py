"""Confidence intervals by bootstrap over the queries: of means, and of a fitted line."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_SAMPLES = 2000
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line y = intercept + slope log10(x), and bounds of the slope."""

    intercept: float
    slope: float
    slope_low: float
    slope_high: float


def mean_intervals(
    values: Float[np.ndarray, "q k"], *, seed: int = 0
) -> Float[np.ndarray, "2 k"]:
    """Return the bounds of a 95 % percentile interval of each column's mean.

    All columns are resampled together: they are measures of the same queries.
    """
    return _interval(_means(values, seed))


def line(
    x: Float[np.ndarray, " k"], values: Float[np.ndarray, "q k"], *, seed: int = 0
) -> Line:
    """Fit the column means by least squares over log10(x).

    The bounds come from fitting every resample of the queries, so they say how well the
    slope is known for such questions, not whether a line is the right form.

    Raises:
        ValueError: if there are not two different x, or one is not above 0.
    """
    if len(set(x.tolist())) < 2 or min(x) <= 0:
        raise ValueError(f"a line needs two different x above 0, got {x.tolist()}")
    design = np.stack([np.ones(len(x)), np.log10(x)])
    solve = np.linalg.pinv(design.T)
    intercept, slope = solve @ values.mean(axis=0)
    low, high = _interval((_means(values, seed) @ solve.T)[:, 1:])
    return Line(
        intercept=float(intercept),
        slope=float(slope),
        slope_low=float(low[0]),
        slope_high=float(high[0]),
    )


def _means(values: Float[np.ndarray, "q k"], seed: int) -> Float[np.ndarray, "s k"]:
    queries = len(values)
    even = np.full(queries, 1 / queries)
    times = np.random.default_rng(seed).multinomial(queries, even, size=_SAMPLES)
    return times @ values / queries


def _interval(samples: Float[np.ndarray, "s k"]) -> Float[np.ndarray, "2 k"]:
    outside = (1 - _LEVEL) / 2
    return np.quantile(samples, [outside, 1 - outside], axis=0)
