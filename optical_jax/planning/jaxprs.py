"""FLOPs of the matrix products that a traced function asks for, loops included."""

from typing import Any

import numpy as np
from jax.extend import core


def flops(jaxpr: Any) -> float:  # noqa: ANN401
    """Return the FLOPs over all devices, before any compiler changes the program.

    Of branches the dearest counts; loops whose trips depend on data count once.
    """
    equations = getattr(jaxpr, "jaxpr", jaxpr).eqns
    return float(sum(_of(equation) for equation in equations))


def _of(equation: Any) -> float:  # noqa: ANN401
    params = equation.params
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        left, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
        inner = np.prod([left[i] for i in contracted], dtype=float)
        return 2.0 * np.prod(out, dtype=float) * inner
    inside = [flops(sub) for value in params.values() for sub in _jaxprs(value)]
    if equation.primitive.name == "scan":
        return params["length"] * sum(inside, 0.0)
    if equation.primitive.name == "cond":
        return max(inside, default=0.0)
    return sum(inside, 0.0)


def _jaxprs(value: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(value, core.Jaxpr | core.ClosedJaxpr):
        return [value]
    if isinstance(value, tuple | list):
        return [sub for item in value for sub in _jaxprs(item)]
    return []
