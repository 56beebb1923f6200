"""What large weights cost: a part of the loss that does not see the data."""

import numpy as np
import numpy.typing as npt

from .. import _check, _check_weights
from .._check import Array
from .activation import quiet


def value(w: Array, l1: float, l2: float) -> float:
    """l1 sum |w| + l2 sum w^2; a sum that does not count may be infinite."""
    of_sizes = l1 * float(np.sum(np.abs(w))) if l1 else 0.0
    return of_sizes + (l2 * float(np.sum(w * w)) if l2 else 0.0)


def gradient(w: Array, l1: float, l2: float) -> Array:
    """l1 sign(w) + 2 l2 w."""
    real = w.dtype.type
    slope: Array = real(l1) * np.sign(w) + real(2 * l2) * w
    return slope


def penalty_forward(w: npt.ArrayLike, *, l1: float = 0.0, l2: float = 0.0) -> float:
    """l1 sum |w| + l2 sum w^2 of weights w (n_in, n_out), which a Dense layer adds to the loss.

    l1 draws weights to zero and leaves them there (the lasso: Tibshirani, 1996), l2 makes them
    small (ridge regression: Hoerl and Kennard, 1970; weight decay: Krogh and Hertz, 1991). Both as
    in Keras: there is no half in front of l2.

    Raises ValueError for l1 or l2 < 0 or w that is not (n_in, n_out), TypeError for another dtype
    than float32 and float64.
    """
    rates = _check_weights.penalty(l1, l2)
    w_ = _check.real_array("w", w, ndim=2)
    with quiet():
        return value(w_, *rates)


def penalty_backward(
    w: npt.ArrayLike, g: npt.ArrayLike, *, l1: float = 0.0, l2: float = 0.0
) -> Array:
    """g + l1 sign(w) + 2 l2 w, with sign(0) = 0: the gradient g of the loss, that of the penalty
    of w added to it.

    d|w|/dw is the sign of w; at 0, where it has none, any number of [-1, 1] is a subgradient, and 0
    is the one that keeps a weight of 0 where it is. w and g have any shape, the same, and one
    dtype. Returns a new array.

    Raises ValueError for l1 or l2 < 0 or differing shapes, TypeError for other or mixed dtypes.
    """
    rates = _check_weights.penalty(l1, l2)
    w_, g_ = _check_weights.gradient_arrays(w, g)
    with quiet():
        found: Array = g_ + gradient(w_, *rates)
        return found
