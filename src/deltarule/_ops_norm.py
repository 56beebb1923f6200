"""The normalisations among the operations of `deltarule.ops`."""

import numpy as np
import numpy.typing as npt

from . import _check, _check_norm, _fast
from ._check import Array


def _rows(a: Array) -> tuple[int, int]:
    return len(a), a.shape[1]


def batch_norm_forward(
    x: npt.ArrayLike,
    w: npt.ArrayLike | None = None,
    b: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """See deltarule.reference.batch_norm_forward."""
    number = _check_norm.eps(eps)
    x_, w_, b_ = _check_norm.arrays(x, w, b)
    y, mean, var = np.empty_like(x_), *np.empty((2, x_.shape[1]), x_.dtype)
    _fast.batch_norm_forward(x_.dtype.name, number, *_rows(x_), x_, w_, b_, y, mean, var)
    return y, mean, var


def batch_norm_inference(
    x: npt.ArrayLike,
    mean: npt.ArrayLike,
    var: npt.ArrayLike,
    w: npt.ArrayLike | None = None,
    b: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> Array:
    """See deltarule.reference.batch_norm_inference."""
    number = _check_norm.eps(eps)
    x_, w_, b_, mean_, var_ = _check_norm.inference_arrays(x, w, b, mean, var)
    y = np.empty_like(x_)
    _fast.batch_norm_inference(x_.dtype.name, number, *_rows(x_), x_, mean_, var_, w_, b_, y)
    return y


def batch_norm_backward(
    x: npt.ArrayLike, w: npt.ArrayLike | None, dy: npt.ArrayLike, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """See deltarule.reference.batch_norm_backward."""
    number = _check_norm.eps(eps)
    x_, w_, dy_ = _check_norm.backward_arrays(x, w, dy)
    dx, dw, db = np.empty_like(x_), *np.empty((2, x_.shape[1]), x_.dtype)
    _fast.batch_norm_backward(x_.dtype.name, number, *_rows(x_), x_, w_, dy_, dx, dw, db)
    return dx, dw, db


def batch_norm_running(
    running_mean: npt.ArrayLike,
    running_var: npt.ArrayLike,
    mean: npt.ArrayLike,
    var: npt.ArrayLike,
    *,
    n: int,
    momentum: float = 0.1,
) -> tuple[Array, Array]:
    """See deltarule.reference.batch_norm_running."""
    share = _check_norm.momentum(momentum)
    count = _check.integer("n", n, 0, 1 << 62)
    old_mean, old_var, mean_, var_ = _check_norm.statistics(
        running_mean=running_mean, running_var=running_var, mean=mean, var=var
    )
    new = old_mean.copy(), old_var.copy()
    _fast.batch_norm_running(mean_.dtype.name, share, count, mean_.size, mean_, var_, *new)
    return new


def layer_norm_forward(
    x: npt.ArrayLike,
    w: npt.ArrayLike | None = None,
    b: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> Array:
    """See deltarule.reference.layer_norm_forward."""
    number = _check_norm.eps(eps)
    x_, w_, b_ = _check_norm.arrays(x, w, b)
    y = np.empty_like(x_)
    _fast.layer_norm_forward(x_.dtype.name, True, number, *_rows(x_), x_, w_, b_, y)
    return y


def layer_norm_backward(
    x: npt.ArrayLike, w: npt.ArrayLike | None, dy: npt.ArrayLike, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """See deltarule.reference.layer_norm_backward."""
    number = _check_norm.eps(eps)
    x_, w_, dy_ = _check_norm.backward_arrays(x, w, dy)
    dx, dw, db = np.empty_like(x_), *np.empty((2, x_.shape[1]), x_.dtype)
    _fast.layer_norm_backward(x_.dtype.name, True, number, *_rows(x_), x_, w_, dy_, dx, dw, db)
    return dx, dw, db


def rms_norm_forward(
    x: npt.ArrayLike, w: npt.ArrayLike | None = None, *, eps: float | None = None
) -> Array:
    """See deltarule.reference.rms_norm_forward."""
    x_, w_, _ = _check_norm.arrays(x, w)
    number, y = _check_norm.eps(eps, x_.dtype), np.empty_like(x_)
    _fast.layer_norm_forward(x_.dtype.name, False, number, *_rows(x_), x_, w_, None, y)
    return y


def rms_norm_backward(
    x: npt.ArrayLike, w: npt.ArrayLike | None, dy: npt.ArrayLike, *, eps: float | None = None
) -> tuple[Array, Array]:
    """See deltarule.reference.rms_norm_backward."""
    x_, w_, dy_ = _check_norm.backward_arrays(x, w, dy)
    number = _check_norm.eps(eps, x_.dtype)
    dx, dw = np.empty_like(x_), np.empty(x_.shape[1], x_.dtype)
    _fast.layer_norm_backward(x_.dtype.name, False, number, *_rows(x_), x_, w_, dy_, dx, dw, None)
    return dx, dw
