"""Normalisation of rows: layer_norm (Ba, Kiros & Hinton, 2016) and rms_norm (Zhang & Sennrich,
2019)."""

import numpy as np
import numpy.typing as npt

from .. import _check_norm
from .._check import Array
from .activation import flush, quiet
from .batch_norm import inverse_deviation, moments, normal_backward, scaled


def _layer_normal(x: Array, eps: float) -> tuple[Array, Array]:
    """(x - mean) / s and 1 / s, s = sqrt(var + eps)."""
    mean, var = moments(x, 1)
    inverse = inverse_deviation(var, eps)
    return (x - mean) * inverse, inverse


def _rms_normal(x: Array, eps: float) -> tuple[Array, Array]:
    """x / s and 1 / s, s = sqrt(mean(x^2) + eps)."""
    square = np.sum(x * x, axis=1, keepdims=True) / max(x.shape[1], 1)
    inverse = inverse_deviation(square, eps)
    return x * inverse, inverse


def layer_forward(x: Array, w: Array | None, b: Array | None, eps: float) -> Array:
    """y of checked arguments."""
    return scaled(_layer_normal(x, eps)[0], w, b)


def layer_backward(x: Array, w: Array | None, dy: Array, eps: float) -> tuple[Array, Array, Array]:
    """(dx, dw, db) of checked arguments, as in batch_norm with means along the row."""
    x_hat, inverse = _layer_normal(x, eps)
    dx = normal_backward(x_hat, inverse, scaled(dy, w, None), 1)
    return dx, np.sum(dy * x_hat, axis=0), np.sum(dy, axis=0)


def rms_forward(x: Array, w: Array | None, eps: float) -> Array:
    """y of checked arguments."""
    return scaled(_rms_normal(x, eps)[0], w, None)


def rms_backward(x: Array, w: Array | None, dy: Array, eps: float) -> tuple[Array, Array]:
    """(dx, dw) of checked arguments.

    With s^2 = mean(x^2) + eps over N numbers, d(1/s)/dx_i = -x_i/(N s^3), so for x_hat = x/s
    dx_hat_j/dx_i = ([i = j] - x_hat_j x_hat_i/N) / s, and dx = (g - x_hat mean(g x_hat)) / s for
    the gradient g = w dy at x_hat.
    """
    x_hat, inverse = _rms_normal(x, eps)
    g = scaled(dy, w, None)
    product = np.sum(g * x_hat, axis=1, keepdims=True) / max(x.shape[1], 1)
    return flush(inverse * (g - x_hat * product)), np.sum(dy * x_hat, axis=0)


def layer_norm_forward(
    x: npt.ArrayLike,
    w: npt.ArrayLike | None = None,
    b: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> Array:
    """y = (x - mean) / sqrt(var + eps) w + b, with mean and variance of each row of x.

    Layer normalisation (Ba, Kiros & Hinton, 2016). x (n, n_out), w and b (n_out,) or None (ones,
    zeros), all of one dtype, float32 or float64. The variance is sum (x - mean)^2 / n_out.
    Returns y (n, n_out).

    Raises ValueError for shapes that do not fit or eps < 1e-20, TypeError for other or mixed
    dtypes.
    """
    number = _check_norm.eps(eps)
    x_, w_, b_ = _check_norm.arrays(x, w, b)
    with quiet():
        return layer_forward(x_, w_, b_, number)


def layer_norm_backward(
    x: npt.ArrayLike, w: npt.ArrayLike | None, dy: npt.ArrayLike, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """The gradients (dx, dw, db) of layer_norm_forward from the gradient `dy` at its output.

    With x_hat = (x - mean) / s, s = sqrt(var + eps) and g = dy w (Ba, Kiros & Hinton, 2016):

        dx = (g - mean(g) - x_hat mean(g x_hat)) / s, means along the row;
        dw = sum dy x_hat and db = sum dy over the rows.

    Mean and variance are computed again, from x. x and dy (n, n_out), w (n_out,) or None (ones).
    Returns dx (n, n_out), of which what is below 2^-100 (float64: 2^-1000) in magnitude becomes
    +0, dw and db (n_out,).

    Raises ValueError for shapes that do not fit or eps < 1e-20, TypeError for other or mixed
    dtypes.
    """
    number = _check_norm.eps(eps)
    x_, w_, dy_ = _check_norm.backward_arrays(x, w, dy)
    with quiet():
        return layer_backward(x_, w_, dy_, number)


def rms_norm_forward(
    x: npt.ArrayLike, w: npt.ArrayLike | None = None, *, eps: float | None = None
) -> Array:
    """y = x / sqrt(mean(x^2) + eps) w, with the mean along each row of x.

    Root mean square normalisation (Zhang & Sennrich, 2019). x (n, n_out), w (n_out,) or None
    (ones), of one dtype, float32 or float64. eps None is the machine epsilon of the dtype, 2^-23
    or 2^-52, as in PyTorch. Returns y (n, n_out).

    Raises ValueError for shapes that do not fit or eps < 1e-20, TypeError for other or mixed
    dtypes.
    """
    x_, w_, _ = _check_norm.arrays(x, w)
    number = _check_norm.eps(eps, x_.dtype)
    with quiet():
        return rms_forward(x_, w_, number)


def rms_norm_backward(
    x: npt.ArrayLike, w: npt.ArrayLike | None, dy: npt.ArrayLike, *, eps: float | None = None
) -> tuple[Array, Array]:
    """The gradients (dx, dw) of rms_norm_forward from the gradient `dy` at its output.

    With x_hat = x / s, s = sqrt(mean(x^2) + eps) and g = dy w (Zhang & Sennrich, 2019):

        dx = (g - x_hat mean(g x_hat)) / s, the mean along the row; dw = sum dy x_hat over the rows.

    x and dy (n, n_out), w (n_out,) or None (ones); eps as in rms_norm_forward. Returns dx
    (n, n_out), of which what is below 2^-100 (float64: 2^-1000) in magnitude becomes +0, and dw
    (n_out,).

    Raises ValueError for shapes that do not fit or eps < 1e-20, TypeError for other or mixed
    dtypes.
    """
    x_, w_, dy_ = _check_norm.backward_arrays(x, w, dy)
    number = _check_norm.eps(eps, x_.dtype)
    with quiet():
        return rms_backward(x_, w_, dy_, number)
