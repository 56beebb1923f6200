"""Activations y = f(x), their derivatives from the output y, and the flush rule for errors.

Adding an activation is one function pair here, its line in `_TABLE`, and its name in _check.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array

Forward = Callable[[Array, float], Array]
Backward = Callable[[Array, Array, float], Array]


def quiet() -> np.errstate:
    """NaN and infinity propagate without a warning, as they do in C."""
    return np.errstate(all="ignore")


def flush(v: Array) -> Array:
    """v with every |v| < 2^-100 (float64: 2^-1000) replaced by +0; NaN stays.

    Errors that vanish on the way back would otherwise become subnormal numbers, on which
    processors are up to fifty times slower, while their effect on any weight is below rounding.
    """
    tiny = 2.0**-100 if v.dtype == np.float32 else 2.0**-1000
    return np.where(np.abs(v) < tiny, v.dtype.type(0), v)


def _identity(x: Array, alpha: float) -> Array:
    """y = x."""
    return x.copy()


def _identity_backward(y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1."""
    return dy


def _relu(x: Array, alpha: float) -> Array:
    """y = max(x, 0); NaN stays NaN and -0 becomes +0 (Nair & Hinton, 2010)."""
    return np.where(x > 0, x, np.where(np.isnan(x), x, x.dtype.type(0)))


def _relu_backward(y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1 where x > 0, which is where y > 0; else 0, at the kink too."""
    return np.where(y > 0, dy, dy.dtype.type(0))


def _leaky_relu(x: Array, alpha: float) -> Array:
    """y = x where x > 0, else alpha x (Maas, Hannun & Ng, 2013)."""
    return np.where(x > 0, x, x.dtype.type(alpha) * x)


def _leaky_relu_backward(y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1 where x > 0, else alpha. As alpha >= 0, y > 0 exactly where x > 0."""
    return np.where(y > 0, dy, dy.dtype.type(alpha) * dy)


def _sigmoid(x: Array, alpha: float = 0.0) -> Array:
    """y = 1 / (1 + e^-x).

    With e = e^-|x| <= 1, which cannot overflow, y = 1 / (1 + e) for x >= 0 and e / (1 + e) below.
    """
    e = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, x.dtype.type(1), e) / (1 + e)
    return y


def _sigmoid_backward(y: Array, dy: Array, alpha: float) -> Array:
    """y' = e^-x / (1 + e^-x)^2 = y (1 - y)."""
    dx: Array = dy * (y * (1 - y))
    return dx


def _tanh(x: Array, alpha: float) -> Array:
    """y = tanh x."""
    y: Array = np.tanh(x)
    return y


def _tanh_backward(y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1 / cosh^2 x = 1 - y^2."""
    dx: Array = dy * (1 - y * y)
    return dx


def _softmax(x: Array, alpha: float = 0.0) -> Array:
    """y_i = e^x_i / sum_j e^x_j along the last axis (Bridle, 1990).

    Subtracting the row's maximum divides numerator and denominator by the same number, and keeps
    every exponential <= 1.
    """
    e = np.exp(x - np.max(x, axis=-1, keepdims=True, initial=-np.inf))
    y: Array = e / np.sum(e, axis=-1, keepdims=True)
    return y


def _softmax_backward(y: Array, dy: Array, alpha: float) -> Array:
    """dy_i/dx_j = y_i ([i = j] - y_j).

    With the error e_i at y_i, that at x_j is sum_i e_i dy_i/dx_j = y_j (e_j - sum_i e_i y_i).
    """
    dx: Array = y * (dy - np.sum(dy * y, axis=-1, keepdims=True))
    return dx


_TABLE: dict[str, tuple[Forward, Backward]] = {
    "identity": (_identity, _identity_backward),
    "relu": (_relu, _relu_backward),
    "leaky_relu": (_leaky_relu, _leaky_relu_backward),
    "sigmoid": (_sigmoid, _sigmoid_backward),
    "tanh": (_tanh, _tanh_backward),
    "softmax": (_softmax, _softmax_backward),
}


def forward(name: str, x: Array, alpha: float) -> Array:
    """f(x) of checked arguments."""
    return _TABLE[name][0](x, alpha)


def backward(name: str, y: Array, dy: Array, alpha: float) -> Array:
    """flush(dy f'(x)) of checked arguments; f' is read off y = f(x), so x need not be kept."""
    return flush(_TABLE[name][1](y, dy, alpha))


def activation_forward(activation: str, x: npt.ArrayLike, *, alpha: float | None = None) -> Array:
    """The activation of x.

    `x` has any shape with at least one dimension; softmax runs along the last axis, the others
    act on each element. `alpha` is the slope of leaky_relu below zero (>= 0, default 0.01).
    Returns y, shape and dtype of x. NaN propagates.

    Raises ValueError for an unknown activation or an alpha that it does not take, TypeError for
    anything but float32 and float64.
    """
    slope = _check.activation(activation, alpha)
    (x_,) = _check.activation_arrays(x)
    with quiet():
        return forward(activation, x_, slope)


def activation_backward(
    activation: str,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    dy: npt.ArrayLike,
    *,
    alpha: float | None = None,
) -> Array:
    """The gradient at the input of an activation, from the gradient `dy` at its output.

    By the chain rule dx_j = sum_i dy_i df_i/dx_j, which is dx = dy f'(x) where f acts on each
    element (Rumelhart, Hinton & Williams, 1986). `x` is the input of activation_forward and `y`
    its output; x, y, dy and the result have one shape and dtype. Results below 2^-100 (float64:
    2^-1000) in magnitude become +0.

    Raises ValueError for an unknown activation, an alpha that it does not take or differing
    shapes; TypeError for other dtypes than float32 and float64 or a mixture of them.
    """
    slope = _check.activation(activation, alpha)
    _, y_, dy_ = _check.activation_arrays(x, y=y, dy=dy)
    with quiet():
        return backward(activation, y_, dy_, slope)
