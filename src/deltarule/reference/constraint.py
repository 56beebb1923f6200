"""Constraints: what weights are held to after each update."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .. import _check_weights
from .._check import Array, real_array
from .activation import quiet


def _max_norm(w: Array, limit: float) -> Array:
    largest = np.max(np.abs(w), axis=0, initial=0)
    unit = np.where(largest > 0, largest, 1)  # of each column, lest its squares overflow
    norm = np.sqrt(np.sum(np.square(w / unit), axis=0))
    bound = w.dtype.type(limit) / unit
    held: Array = w * np.where((norm > bound) & np.isfinite(largest), bound / norm, 1)
    return held.astype(w.dtype)


def _non_negative(w: Array, limit: float) -> Array:
    return np.where(w < 0, w.dtype.type(0), w)


# Each takes weights (n_in, n_out) and its limit.
TABLE: dict[str, Callable[[Array, float], Array]] = {
    "max_norm": _max_norm,
    "non_negative": _non_negative,
}


def constrain(constraint: str, w: npt.ArrayLike, *, max_value: float | None = None) -> Array:
    """Weights w (n_in, n_out) held to a constraint, as a new array.

    "max_norm": column j, the incoming weights of unit j, times max_value / |w_j| where its norm
    |w_j| = sqrt(sum_i w_ij^2) is larger than max_value, 2 by default (Srebro and Shraibman, 2005;
    with dropout: Hinton et al., 2012). A column with NaN or infinity stays as it is.
    "non_negative": max(w, 0).
    Both are projections: to the nearest point of those that fulfil the constraint. As in Keras,
    axis 0.

    Raises ValueError for an unknown constraint, max_value < 1e-10 or where there is none, w that is
    not (n_in, n_out); TypeError for another dtype than float32 and float64.
    """
    limit = _check_weights.constraint(constraint, max_value)
    w_ = real_array("w", w, ndim=2)
    with quiet():
        return TABLE[constraint](w_, limit)
