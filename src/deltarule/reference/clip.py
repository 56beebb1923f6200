"""Clipping: gradients made smaller before they are applied, lest one batch throws a network off."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _check_weights
from .._check import Array
from .activation import quiet

Gradients = dict[str, Array]


def _held(g: Array, limit: float) -> Array:
    most = g.dtype.type(limit)
    held: Array = np.clip(g, -most, most)
    return held


def _shorter(g: Array, limit: float, squares: Any) -> Array:
    """A part of something whose norm is the root of `squares`."""
    factor = limit / (np.sqrt(squares) + 1e-6)
    shorter: Array = g * g.dtype.type(1 if factor >= 1 else factor)  # or NaN
    return shorter


def clip(gradients: Gradients, given: Mapping[str, float]) -> Gradients:
    """As the argument of clip_gradients says that is given, if any. Sums of squares are taken in
    float64 or wider."""
    for name, limit in given.items():
        if name == "clipvalue":
            return {key: _held(g, limit) for key, g in gradients.items()}
        squares: dict[str, Any] = {
            key: np.sum(np.square(g), dtype=np.promote_types(g.dtype, np.float64))
            for key, g in gradients.items()
        }
        if name == "global_clipnorm":
            squares = dict.fromkeys(squares, sum(squares.values()))
        return {key: _shorter(g, limit, squares[key]) for key, g in gradients.items()}
    return gradients


def clip_gradients(
    gradients: Mapping[str, npt.ArrayLike],
    *,
    clipvalue: float | None = None,
    clipnorm: float | None = None,
    global_clipnorm: float | None = None,
) -> dict[str, Array]:
    """The gradients by their names, made smaller as the arguments of an optimizer say; at most one
    of these is given. New arrays.

        clipvalue:        g <- min(max(g, -c), c)                   each number by itself
        clipnorm:         g <- g * min(1, c / (|g| + 1e-6))         each array by itself
        global_clipnorm:  the same, |g| being the norm of all arrays together

    c > 0 is the argument; |g| is the root of the sum of squares (Pascanu, Mikolov and Bengio,
    2013). As PyTorch's clip_grad_value_ and clip_grad_norm_; Keras, whose names these are, does
    without 1e-6. Where squares leave the range of the dtype, the norm is infinite and what is
    finite becomes 0; NaN makes all NaN whose norm it is part of.

    gradients: (n,) or (n_in, n_out) each, all of one dtype; such as those of `net.gradients`.
    Raises ValueError for c <= 0, several arguments or other shapes; TypeError for gradients that
    are no dict of arrays of float32 or of float64.
    """
    arrays = _check_weights.gradients(gradients)
    given = _check_weights.clip(clipvalue, clipnorm, global_clipnorm)
    with quiet():
        return clip({key: g.copy() for key, g in arrays.items()}, given)
