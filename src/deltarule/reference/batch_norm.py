"""Batch normalisation: every column to mean 0 and variance 1 over the rows of a batch, then scaled
and moved by what is learned (Ioffe & Szegedy, 2015)."""

import numpy as np
import numpy.typing as npt

from .. import _check, _check_norm
from .._check import Array
from .activation import flush, quiet


def moments(x: Array, axis: int) -> tuple[Array, Array]:
    """Mean and (biased) variance along an axis, which stays with length 1; zeros of no numbers.

    Of d = x - m with any m: mean = m + mean(d) and variance = mean(d^2) - mean(d)^2. With m = the
    mean as far as rounding lets it be computed, both corrections are small and take out what its
    error has done (Chan, Golub & LeVeque, 1983).
    """
    count = max(x.shape[axis], 1)
    first = np.sum(x, axis, keepdims=True) / count
    d = x - first
    rest = np.sum(d, axis, keepdims=True) / count
    var = np.sum(d * d, axis, keepdims=True) / count - rest * rest
    return first + rest, np.maximum(var, 0)


def inverse_deviation(var: Array, eps: float) -> Array:
    """1 / sqrt(var + eps)."""
    inverse: Array = 1 / np.sqrt(var + var.dtype.type(eps))
    return inverse


def scaled(x_hat: Array, w: Array | None, b: Array | None) -> Array:
    """x_hat w + b; None stands for ones and zeros."""
    y = x_hat if w is None else x_hat * w
    return y if b is None else y + b


def normal_backward(x_hat: Array, inverse: Array, g: Array, axis: int) -> Array:
    """flush(dx) from g, the gradient at x_hat = (x - mean) inverse.

    With N numbers along the axis, d mean/dx_i = 1/N and d variance/dx_i = 2 (x_i - mean)/N, as the
    mean's own change adds sum (x - mean) = 0. So d inverse/dx_i = -inverse^3 (x_i - mean)/N =
    -inverse^2 x_hat_i/N, and

        dx_hat_j/dx_i = inverse ([i = j] - 1/N - x_hat_j x_hat_i/N).

    Summing g_j times this over j: dx = inverse (g - mean(g) - x_hat mean(g x_hat)).
    """
    count = max(x_hat.shape[axis], 1)
    mean = np.sum(g, axis, keepdims=True) / count
    product = np.sum(g * x_hat, axis, keepdims=True) / count
    return flush(inverse * (g - mean - x_hat * product))


def forward(x: Array, w: Array | None, b: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """(y, mean, var) of checked arguments."""
    mean, var = moments(x, 0)
    y = inference(x, mean[0], var[0], w, b, eps)
    return y, mean[0], var[0]


def inference(
    x: Array, mean: Array, var: Array, w: Array | None, b: Array | None, eps: float
) -> Array:
    """y of checked arguments."""
    return scaled((x - mean) * inverse_deviation(var, eps), w, b)


def backward(x: Array, w: Array | None, dy: Array, eps: float) -> tuple[Array, Array, Array]:
    """(dx, dw, db) of checked arguments: y = x_hat w + b, so dw = sum dy x_hat, db = sum dy over
    the rows, and dy w is the gradient at x_hat."""
    mean, var = moments(x, 0)
    inverse = inverse_deviation(var, eps)
    x_hat = (x - mean) * inverse
    dx = normal_backward(x_hat, inverse, scaled(dy, w, None), 0)
    return dx, np.sum(dy * x_hat, axis=0), np.sum(dy, axis=0)


def inference_backward(var: Array, w: Array | None, dy: Array, eps: float) -> Array:
    """flush(dx) of inference(): its statistics do not depend on x."""
    return flush(dy * scaled(inverse_deviation(var, eps), w, None))


def running(
    running_mean: Array, running_var: Array, mean: Array, var: Array, n: int, momentum: float
) -> tuple[Array, Array]:
    """(running_mean, running_var) of checked arguments."""
    if n < 2:
        return running_mean.copy(), running_var.copy()
    real = mean.dtype.type
    rest, share = real(1 - momentum), real(momentum)
    new_var = rest * running_var + share * (var * real(n / (n - 1)))
    return flush(rest * running_mean + share * mean), flush(new_var)


def batch_norm_forward(
    x: npt.ArrayLike,
    w: npt.ArrayLike | None = None,
    b: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """y = (x - mean) / sqrt(var + eps) w + b, with mean and variance of each column of x.

    Batch normalisation in training (Ioffe & Szegedy, 2015). x (n, n_out), w and b (n_out,) or None
    (ones, zeros), all of one dtype, float32 or float64. The variance is sum (x - mean)^2 / n; of
    one row it is 0, so that y = b; of none, mean and variance are 0.
    Returns y (n, n_out), mean and var (n_out,).

    Raises ValueError for shapes that do not fit or eps < 1e-20, TypeError for other or mixed
    dtypes.
    """
    number = _check_norm.eps(eps)
    x_, w_, b_ = _check_norm.arrays(x, w, b)
    with quiet():
        return forward(x_, w_, b_, number)


def batch_norm_inference(
    x: npt.ArrayLike,
    mean: npt.ArrayLike,
    var: npt.ArrayLike,
    w: npt.ArrayLike | None = None,
    b: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> Array:
    """y = (x - mean) / sqrt(var + eps) w + b, with a mean and a variance that are given.

    Batch normalisation after training (Ioffe & Szegedy, 2015), with running statistics. x
    (n, n_out); mean, var >= 0, w and b (n_out,), the last two or None (ones, zeros); all of one
    dtype, float32 or float64. Returns y (n, n_out).

    Raises ValueError for shapes that do not fit, a negative variance or eps < 1e-20, TypeError for
    other or mixed dtypes.
    """
    number = _check_norm.eps(eps)
    x_, w_, b_, mean_, var_ = _check_norm.inference_arrays(x, w, b, mean, var)
    with quiet():
        return inference(x_, mean_, var_, w_, b_, number)


def batch_norm_backward(
    x: npt.ArrayLike, w: npt.ArrayLike | None, dy: npt.ArrayLike, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """The gradients (dx, dw, db) of batch_norm_forward from the gradient `dy` at its output.

    With x_hat = (x - mean) / s, s = sqrt(var + eps), all means over the rows (Ioffe & Szegedy,
    2015):

        dw = sum dy x_hat,    db = sum dy,    dx = w / s (dy - mean(dy) - x_hat mean(dy x_hat)).

    Mean and variance are computed again, from x. x and dy (n, n_out), w (n_out,) or None (ones).
    Returns dx (n, n_out), of which what is below 2^-100 (float64: 2^-1000) in magnitude becomes
    +0, dw and db (n_out,).

    Raises ValueError for shapes that do not fit or eps < 1e-20, TypeError for other or mixed
    dtypes.
    """
    number = _check_norm.eps(eps)
    x_, w_, dy_ = _check_norm.backward_arrays(x, w, dy)
    with quiet():
        return backward(x_, w_, dy_, number)


def batch_norm_running(
    running_mean: npt.ArrayLike,
    running_var: npt.ArrayLike,
    mean: npt.ArrayLike,
    var: npt.ArrayLike,
    *,
    n: int,
    momentum: float = 0.1,
) -> tuple[Array, Array]:
    """Running statistics after a batch of n rows; returns (running_mean, running_var), new arrays.

        running_mean <- (1 - momentum) running_mean + momentum mean
        running_var  <- (1 - momentum) running_var  + momentum var n / (n - 1)

    mean and var are those of batch_norm_forward, var n / (n - 1) is the unbiased estimate (Ioffe &
    Szegedy, 2015, algorithm 2; momentum is PyTorch's, 1 minus Keras'). A batch of one row says
    nothing of the variance and leaves both as they are. Results below 2^-100 (float64: 2^-1000) in
    magnitude become +0. All (n_out,) and of one dtype, float32 or float64, variances >= 0.

    Raises ValueError for shapes that do not fit, negative variances, n < 0 or momentum outside
    [0, 1]; TypeError for other or mixed dtypes.
    """
    share = _check_norm.momentum(momentum)
    count = _check.integer("n", n, 0, 1 << 62)
    arrays = _check_norm.statistics(
        running_mean=running_mean, running_var=running_var, mean=mean, var=var
    )
    running_mean_, running_var_, mean_, var_ = arrays
    with quiet():
        return running(running_mean_, running_var_, mean_, var_, count, share)
