"""PReLU: a rectifier whose slope below 0 is learnt."""

import numpy as np
import numpy.typing as npt

from .. import _check_weights
from .._check import Array
from .activation import flush, quiet


def forward(x: Array, slope: Array) -> Array:
    """y of checked arguments."""
    return np.where(x > 0, x, slope * x)


def backward(x: Array, slope: Array, dy: Array) -> tuple[Array, Array]:
    """(dx, dslope) of checked arguments."""
    dx = flush(np.where(x > 0, dy, slope * dy))
    each = np.where(x > 0, x.dtype.type(0), x * dy)
    return dx, np.sum(each, axis=0 if slope.shape[0] == x.shape[1] else None).reshape(slope.shape)


def prelu_forward(x: npt.ArrayLike, slope: npt.ArrayLike) -> Array:
    """y = x where x > 0, else slope x (He et al., "Delving deep into rectifiers", 2015).

    x (n, n_out); slope (1,) for all columns or (n_out,), one for each; one dtype, float32 or
    float64. Returns y (n, n_out).

    Raises ValueError for shapes that do not fit, TypeError for other or mixed dtypes.
    """
    x_, slope_ = _check_weights.prelu_arrays(x, slope)
    with quiet():
        return forward(x_, slope_)


def prelu_backward(
    x: npt.ArrayLike, slope: npt.ArrayLike, dy: npt.ArrayLike
) -> tuple[Array, Array]:
    """The gradients (dx, dslope) from the gradient `dy` (n, n_out) at y = prelu_forward(x, slope).

    y_ij = slope_j x_ij where x_ij <= 0, so there dy/dx is slope_j and dy/dslope_j is x_ij;
    elsewhere 1 and 0. Hence dx = flush(dy) or flush(slope dy) (n, n_out), and dslope is the sum of
    x dy over the rows with x <= 0 and, for a single slope, over the columns: (n_out,) or (1,).

    Raises ValueError for shapes that do not fit, TypeError for other or mixed dtypes.
    """
    x_, slope_, dy_ = _check_weights.prelu_arrays(x, slope, dy)
    with quiet():
        return backward(x_, slope_, dy_)
