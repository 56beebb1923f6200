"""Losses: one number for each sample, their weighted mean, and its gradient.

Adding a loss is one function pair here, its line in `_TABLE`, and its name in _check.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array
from .activation import _sigmoid, _softmax, flush, quiet

Part = Callable[[Array, Array], Array]


def _mse(y: Array, t: Array) -> Array:
    """l = mean_j (y_j - t_j)^2."""
    each: Array = np.mean((y - t) ** 2, axis=1)
    return each


def _mse_gradient(y: Array, t: Array) -> Array:
    """dl/dy_j = 2 (y_j - t_j) / n_out."""
    dy: Array = 2 * (y - t) / y.dtype.type(y.shape[1])
    return dy


def _one_hot(y: Array, t: Array) -> Array:
    """Integer labels as rows of a unit matrix; other targets as they are."""
    if t.ndim == 2:
        return t
    rows = np.zeros_like(y)
    rows[np.arange(len(t)), t] = 1
    return rows


def _cross_entropy(y: Array, t: Array) -> Array:
    """l = -sum_j t_j log p_j with p = softmax(y); for a label c this is -log p_c.

    log p_j = (y_j - m) - log sum_k e^(y_k - m) for any m; the row's maximum as m keeps every
    exponential <= 1 and one of them 1, so that the logarithm is neither infinite nor -infinite.
    Where t_j = 0 the term is 0, though y_j be -infinite.
    """
    shifted = y - np.max(y, axis=1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(shifted), axis=1))
    if t.ndim == 1:
        each: Array = log_sum - shifted[np.arange(len(t)), t]
    else:
        terms = np.where(t == 0, y.dtype.type(0), t * (log_sum[:, None] - shifted))
        each = np.sum(terms, axis=1)
    return each


def _cross_entropy_gradient(y: Array, t: Array) -> Array:
    """With d log p_k / dy_j = [j = k] - p_j:  dl/dy_j = p_j sum_k t_k - t_j.

    The sum is 1 for labels and for targets that are probabilities, leaving softmax(y) - t.
    """
    hot = _one_hot(y, t)
    dy: Array = _softmax(y) * np.sum(hot, axis=1, keepdims=True) - hot
    return dy


def _binary_cross_entropy(y: Array, t: Array) -> Array:
    """l = mean_j -(t_j log p_j + (1 - t_j) log(1 - p_j)) with p = sigmoid(y).

    -log p = log(1 + e^-y) and -log(1 - p) = log(1 + e^-y) + y, so each term is
    log(1 + e^-y) + (1 - t) y. For y < 0, log(1 + e^-y) = -y + log(1 + e^y); both cases together
    are max(y, 0) - t y + log1p(e^-|y|), which neither overflows nor loses a small loss.
    """
    terms = np.maximum(y, 0) - t * y + np.log1p(np.exp(-np.abs(y)))
    each: Array = np.mean(terms, axis=1)
    return each


def _binary_cross_entropy_gradient(y: Array, t: Array) -> Array:
    """dl/dy_j = (sigmoid(y_j) - t_j) / n_out, from d log(1 + e^-y) / dy = sigmoid(y) - 1."""
    dy: Array = (_sigmoid(y) - t) / y.dtype.type(y.shape[1])
    return dy


_TABLE: dict[str, tuple[Part, Part]] = {
    "mse": (_mse, _mse_gradient),
    "cross_entropy": (_cross_entropy, _cross_entropy_gradient),
    "binary_cross_entropy": (_binary_cross_entropy, _binary_cross_entropy_gradient),
}


def weights(y: Array, w: Array | None) -> npt.NDArray[np.float64]:
    """The weight of each sample in float64; 1 where none are given."""
    return np.ones(len(y)) if w is None else w.astype(np.float64)


def samples(loss: str, y: Array, t: Array) -> npt.NDArray[np.float64]:
    """The loss of each sample, computed in the dtype of y; float64 for summing."""
    return _TABLE[loss][0](y, t).astype(np.float64)


def backward(loss: str, y: Array, t: Array, w: npt.NDArray[np.float64]) -> Array:
    """flush((w_i / sum w) dl_i/dy) of checked arguments; zeros where the weights sum to zero."""
    total = np.sum(w)
    if total == 0:
        return np.zeros_like(y)
    share = (w / total).astype(y.dtype)
    return flush(share[:, None] * _TABLE[loss][1](y, t))


def loss_forward(
    loss: str, y: npt.ArrayLike, t: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> float:
    """The weighted mean loss sum(w l) / sum(w) over the samples; 0.0 where the weights sum to zero.

    y (n, n_out) are outputs for "mse" and logits (before softmax, before sigmoid) for
    "cross_entropy" and "binary_cross_entropy". t (n, n_out) of the dtype of y or, for
    cross_entropy, integer labels (n,). sample_weight (n,) of the dtype of y, finite and >= 0;
    None means 1 for every sample. mse and binary_cross_entropy are means over the n_out outputs.
    Cross-entropy as the negative log-likelihood of a softmax: Bridle (1990); of a sigmoid:
    Baum & Wilczek (1988).

    Raises ValueError for an unknown loss, shapes that do not fit, labels outside 0..n_out-1 or bad
    weights; TypeError for other or mixed dtypes.
    """
    _check.choice("loss", loss, _check.LOSSES)
    y_, t_, given = _check.loss_arrays(loss, y, t, sample_weight)
    with quiet():
        w = weights(y_, given)
        total = np.sum(w)
        return float(np.sum(w * samples(loss, y_, t_)) / total) if total else 0.0


def loss_backward(
    loss: str, y: npt.ArrayLike, t: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> Array:
    """The gradient of loss_forward with respect to y.

    L = sum_i w_i l_i / sum_i w_i and l_i depends on row i only: dy_i = (w_i / sum w) dl_i/dy_i,
    with dl/dy = 2 (y - t) / n_out for mse, softmax(y) - t for cross_entropy (more exactly
    softmax(y) sum(t) - t, should a row of targets not sum to 1) and (sigmoid(y) - t) / n_out for
    binary_cross_entropy. Results below 2^-100 (float64: 2^-1000) in magnitude become +0; all are
    zero where the weights sum to zero. Arguments and errors as for loss_forward. Returns dy
    (n, n_out), dtype of y.
    """
    _check.choice("loss", loss, _check.LOSSES)
    y_, t_, given = _check.loss_arrays(loss, y, t, sample_weight)
    with quiet():
        return backward(loss, y_, t_, weights(y_, given))
