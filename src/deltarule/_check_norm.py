"""Argument checks of the normalisations, in the manner of _check."""

from typing import Any

import numpy as np

from ._check import Array, finite_real, positive_real, real_array, same_dtype

# Far below anybody's, far above what 1 / (var + eps) needs to stay in range in float32.
LEAST_EPS = 1e-20


def eps(value: object, dtype: np.dtype[Any] | None = None) -> float:
    """`value` as a float >= 1e-20; where it is None, the machine epsilon of `dtype`."""
    if value is None and dtype is not None:
        return float(np.finfo(dtype).eps)
    number = positive_real("eps", value)
    if number < LEAST_EPS:
        raise ValueError(f"eps must be >= {LEAST_EPS}, got {number}")
    return number


def momentum(value: object) -> float:
    """`value` as a float with 0 <= value <= 1."""
    number = finite_real("momentum", value)
    if not 0 <= number <= 1:
        raise ValueError(f"momentum must be >= 0 and <= 1, got {number}")
    return number


def arrays(x: object, w: object, b: object = None) -> tuple[Array, Array | None, Array | None]:
    """(x, w, b) of a forward function: x (n, n_out), w and b (n_out,) or None, one dtype."""
    rows = real_array("x", x, ndim=2)
    columns = (rows.shape[1],)
    weight = None if w is None else real_array("w", w, shape=columns)
    bias = None if b is None else real_array("b", b, shape=columns)
    same_dtype(x=rows, w=weight, b=bias)
    return rows, weight, bias


def backward_arrays(x: object, w: object, dy: object) -> tuple[Array, Array | None, Array]:
    """(x, w, dy) of a backward function: dy (n, n_out) like x."""
    rows, weight, _ = arrays(x, w)
    gradient = real_array("dy", dy, shape=rows.shape)
    same_dtype(x=rows, w=weight, dy=gradient)
    return rows, weight, gradient


def _variance(argument: str, value: Array) -> None:
    """Refuses what is negative; NaN may pass."""
    if (value < 0).any():
        column = int(np.argmax(value < 0))
        raise ValueError(f"{argument} must be >= 0, got {float(value[column])} at column {column}")


def inference_arrays(
    x: object, w: object, b: object, mean: object, var: object
) -> tuple[Array, Array | None, Array | None, Array, Array]:
    """(x, w, b, mean, var): the last two (n_out,), a variance not negative."""
    rows, weight, bias = arrays(x, w, b)
    centre = real_array("mean", mean, shape=(rows.shape[1],))
    spread = real_array("var", var, shape=(rows.shape[1],))
    same_dtype(x=rows, mean=centre, var=spread)
    _variance("var", spread)
    return rows, weight, bias, centre, spread


def statistics(**given: object) -> tuple[Array, ...]:
    """Vectors over the columns, of one length and dtype; "var" and "running_var" not negative."""
    found: dict[str, Array] = {}
    for name, a in given.items():
        columns = next(iter(found.values())).size if found else None
        found[name] = real_array(name, a, shape=(columns,))
        if name.endswith("var"):
            _variance(name, found[name])
    same_dtype(**found)
    return tuple(found.values())
