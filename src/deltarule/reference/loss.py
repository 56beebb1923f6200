"""Losses: one number for each sample, their weighted mean, and its gradient.

Adding a loss is one function pair here, and its line in `_TABLE`. Pairs get outputs y (n, n_out),
targets t and the numbers p that the loss is made with; d is y - t throughout.
"""

from collections.abc import Callable, Sized

import numpy as np
import numpy.typing as npt

from .. import _check, losses
from .._check import Array
from ..losses import CustomLoss, Loss
from .activation import _sigmoid, _softmax, _softplus, flush, quiet

Numbers = tuple[float, ...]
Part = Callable[[Array, Array, Numbers], Array]
Pair = tuple[Part, Part]


# -------------------------------------------------------------------------- means over the outputs
def _mean(value: Part, slope: Part) -> Pair:
    """l = mean_j value_j and dl/dy_j = slope_j / n_out."""

    def rows(y: Array, t: Array, p: Numbers) -> Array:
        each: Array = np.mean(value(y, t, p), axis=1)
        return each

    def gradient(y: Array, t: Array, p: Numbers) -> Array:
        dy: Array = slope(y, t, p) / y.dtype.type(y.shape[1])
        return dy

    return rows, gradient


def _huber(y: Array, t: Array, p: Numbers) -> Array:
    """With c = d held within +-delta, c (d - c / 2) is d^2 / 2 inside and delta (|d| - delta / 2)
    outside."""
    d = y - t
    c = np.clip(d, -p[0], p[0])
    each: Array = c * (d - c / 2)
    return each


def _log_cosh(y: Array, t: Array, p: Numbers) -> Array:
    """cosh^2 = 1 + sinh^2, so that log(cosh) = log1p(sinh^2) / 2, which loses nothing near 0; and
    cosh d = e^|d| (1 + e^-2|d|) / 2, which does not overflow."""
    a = np.abs(y - t)
    near = np.log1p(np.sinh(np.minimum(a, 1)) ** 2) / 2
    each: Array = np.where(a < 1, near, a - np.log(y.dtype.type(2)) + np.log1p(np.exp(-2 * a)))
    return each


def _quantile_slope(y: Array, t: Array, p: Numbers) -> Array:
    """1 - level where y is above t, -level below; levels go round over the outputs."""
    d = y - t
    level = np.resize(np.array(p, y.dtype), y.shape[1])
    slope: Array = np.where(d > 0, 1 - level, np.where(d < 0, -level, d))
    return slope


def _quantile(y: Array, t: Array, p: Numbers) -> Array:
    each: Array = (y - t) * _quantile_slope(y, t, p)
    return each


RATE_EPS = 1e-8  # PyTorch's: keeps the logarithm of a rate of 0 finite


def _poisson(y: Array, t: Array, p: Numbers) -> Array:
    """-log(r^t e^-r / t!) without t!: r - t log r. With p[0] y is log r, else the rate itself."""
    if p[0] == 2:  # the deviance, halved
        rate = np.exp(y)
        return np.where(t == 0, y.dtype.type(0), t * np.log(t / rate)) - t + rate
    each: Array = np.exp(y) - t * y if p[0] else y - t * np.log(y + y.dtype.type(RATE_EPS))
    return each


def _poisson_slope(y: Array, t: Array, p: Numbers) -> Array:
    slope: Array = np.exp(y) - t if p[0] else 1 - t / (y + y.dtype.type(RATE_EPS))
    return slope


MOST_LOG_VARIANCE = 86.0  # beyond, float32 has no normal number for 1 / v


def _mean_and_variance(y: Array) -> tuple[Array, Array]:
    """For each output the mean and e^s of its pair."""
    mean, s = (np.repeat(y[:, first::2], 2, axis=1) for first in (0, 1))
    return mean, np.exp(np.minimum(s, MOST_LOG_VARIANCE))


def _gaussian_nll(y: Array, t: Array, p: Numbers) -> Array:
    """-log of the normal density without log(2 pi) / 2, v = e^s + eps; the same for both outputs of
    a pair, so that the mean over the outputs is that over the pairs."""
    mean, e = _mean_and_variance(y)
    v = e + y.dtype.type(p[0])
    each: Array = (np.log(v) + (mean - t) ** 2 / v) / 2
    return each


def _gaussian_nll_slope(y: Array, t: Array, p: Numbers) -> Array:
    """By the mean d / v; by s, as dv/ds = e^s, (1 / v - d^2 / v^2) e^s / 2. Twice that, because
    each pair counts twice in the mean over the outputs."""
    mean, e = _mean_and_variance(y)
    v, d = e + y.dtype.type(p[0]), mean - t
    slope: Array = 2 * d / v
    slope[:, 1::2] = (e / v * (1 - d * d / v))[:, 1::2]
    return slope


def _binary_cross_entropy(y: Array, t: Array, p: Numbers) -> Array:
    """-(t log q + (1 - t) log(1 - q)) with q = sigmoid(y).

    -log q = log(1 + e^-y) and -log(1 - q) = log(1 + e^-y) + y, so it is log(1 + e^-y) + (1 - t) y.
    For y < 0, log(1 + e^-y) = -y + log(1 + e^y); both cases together are
    max(y, 0) - t y + log1p(e^-|y|), which neither overflows nor loses a small loss.
    """
    if p:
        q = _held(1 / (1 + np.exp(-y)), p[0])
        each: Array = -(t * np.log(q) + (1 - t) * np.log(1 - q))
        return each
    each = np.maximum(y, 0) - t * y + np.log1p(np.exp(-np.abs(y)))
    return each


def _held(chance: Array, eps: float) -> Array:
    """Between eps and 1 - eps."""
    return np.clip(chance, chance.dtype.type(eps), chance.dtype.type(1 - eps))


def _side(y: Array, t: Array, p: Numbers) -> tuple[Array, Array, Array]:
    """x, the logit of what the target is; alpha_t (1 - q)^gamma, q = sigmoid(x); and -log q."""
    one = t > 0.5
    x = np.where(one, y, -y)
    gamma, alpha = p
    share = np.where(one, y.dtype.type(alpha), y.dtype.type(1 - alpha))
    share = share if alpha >= 0 else np.ones_like(y)
    return x, share * np.exp(-gamma * _softplus(x)), _softplus(-x)


def _binary_focal(y: Array, t: Array, p: Numbers) -> Array:
    """-alpha_t (1 - q)^gamma log q, where -log q = softplus(-x) and 1 - q = e^-softplus(x)."""
    _, focus, lost = _side(y, t, p)
    each: Array = focus * lost
    return each


def _binary_focal_slope(y: Array, t: Array, p: Numbers) -> Array:
    """By x, which is y or -y, and as dq/dx = q (1 - q):
    -alpha_t (1 - q)^gamma (gamma q (-log q) + 1 - q)."""
    x, focus, lost = _side(y, t, p)
    by_x = -focus * (p[0] * _sigmoid(x) * lost + _sigmoid(-x))
    slope: Array = np.where(t > 0.5, by_x, -by_x)
    return slope


# ---------------------------------------------------------------------------- losses of whole rows
def _one_hot(y: Array, t: Array) -> Array:
    """Integer labels as rows of a unit matrix; other targets as they are."""
    if t.ndim == 2:
        return t
    rows = np.zeros_like(y)
    rows[np.arange(len(t)), t] = 1
    return rows


def _smooth(y: Array, t: Array, share: float) -> Array:
    """(1 - share) t + share / n_out."""
    each: Array = y.dtype.type(1 - share) * _one_hot(y, t) + y.dtype.type(share / y.shape[1])
    return each


def _lost(y: Array) -> Array:
    """-log p_j with p = softmax(y).

    log p_j = (y_j - m) - log sum_k e^(y_k - m) for any m; the row's maximum as m keeps every
    exponential <= 1 and one of them 1, so that the logarithm is neither infinite nor -infinite.
    """
    shifted = y - np.max(y, axis=1, keepdims=True)
    lost: Array = np.log(np.sum(np.exp(shifted), axis=1, keepdims=True)) - shifted
    return lost


def _cross_entropy(y: Array, t: Array, p: Numbers) -> Array:
    """l = -sum_j t_j log p_j; for a label c this is -log p_c. Where t_j = 0 the term is 0, though
    y_j be -infinite."""
    t = _smooth(y, t, p[0])
    if p[1:]:  # of labels
        return -np.log(_held(np.sum(np.where(t == 0, y.dtype.type(0), _softmax(y)), axis=1), p[1]))
    each: Array = np.sum(np.where(t == 0, y.dtype.type(0), t * _lost(y)), axis=1)
    return each


def _cross_entropy_gradient(y: Array, t: Array, p: Numbers) -> Array:
    """With d log p_k / dy_j = [j = k] - p_j:  dl/dy_j = p_j sum_k t_k - t_j.

    The sum is 1 for labels and for targets that are probabilities, leaving softmax(y) - t.
    """
    t = _smooth(y, t, p[0])
    dy: Array = _softmax(y) * np.sum(t, axis=1, keepdims=True) - t
    return dy


def _kl_divergence(y: Array, t: Array, p: Numbers) -> Array:
    """l = sum_j t_j (log t_j - log p_j); where t_j = 0 the term is 0."""
    terms = t * (np.log(np.where(t > 0, t, y.dtype.type(1))) + _lost(y))
    each: Array = np.sum(np.where(t == 0, y.dtype.type(0), terms), axis=1)
    return each


def _rest(y: Array, t: Array) -> tuple[Array, Array, Array]:
    """Of p = softmax(y) at the label t: p, q = 1 - p and -log p, each (n, 1). q is a sum of the
    others, not a difference, and where it is small, -log p = log(1 + q / p)."""
    hot = _one_hot(y, t) > 0
    e = np.exp(y - np.max(y, axis=1, keepdims=True))
    none = y.dtype.type(0)
    own, others = (np.sum(np.where(a, e, none), axis=1, keepdims=True) for a in (hot, ~hot))
    lost = np.sum(np.where(hot, _lost(y), none), axis=1, keepdims=True)
    near = np.log1p(np.minimum(others / own, 1))
    return own / (own + others), others / (own + others), np.where(others < own, near, lost)


def _focal(y: Array, t: Array, p: Numbers) -> Array:
    """l = -alpha (1 - p_c)^gamma log p_c for the label c."""
    _, q, lost = _rest(y, t)
    each: Array = p[1] * (q ** p[0] * lost)[:, 0]
    return each


def _focal_gradient(y: Array, t: Array, p: Numbers) -> Array:
    """With q = 1 - p_c and dp_c/dy_j = p_c ([j = c] - p_j):
    dl/dy_j = alpha q^gamma (1 + gamma p_c (-log p_c) / q) (p_j - [j = c]), where -log p_c / q goes
    to 1 with q to 0; for j = c the last factor is -q."""
    own, q, lost = _rest(y, t)
    steep = np.where(q == 0, y.dtype.type(1), lost / q)
    factor = p[1] * q ** p[0] * (1 + p[0] * own * steep)
    dy: Array = factor * np.where(_one_hot(y, t) > 0, -q, _softmax(y))
    return dy


def _margin(y: Array, t: Array) -> tuple[Array, Array]:
    """1 + the largest output but the label's - the label's, (n,), and where that largest one is."""
    rows = np.arange(len(y))
    others = np.where(_one_hot(y, t) > 0, y.dtype.type(-np.inf), y)
    rival = np.argmax(others, axis=1)
    return 1 + (others[rows, rival] - y[rows, t]), rival


def _categorical_hinge(y: Array, t: Array, p: Numbers) -> Array:
    """l = max(0, margin)."""
    each: Array = np.maximum(0, _margin(y, t)[0])
    return each


def _categorical_hinge_gradient(y: Array, t: Array, p: Numbers) -> Array:
    """1 at the rival and -1 at the label where the margin is above 0."""
    margin, rival = _margin(y, t)
    dy, rows = np.zeros_like(y), np.flatnonzero(margin > 0)
    dy[rows, rival[rows]] = 1
    dy[rows, t[rows]] = -1
    return dy


LENGTH_EPS = 1e-12  # PyTorch's: a length of 0 is no division by 0


def _lengths(y: Array, t: Array) -> tuple[Array, Array, Array]:
    """sqrt(sum y^2 + eps) and sqrt(sum t^2 + eps), and the cosine of the angle between the two."""
    eps = y.dtype.type(LENGTH_EPS)
    length, wanted = (np.sqrt(np.sum(a * a, axis=1, keepdims=True) + eps) for a in (y, t))
    return length, wanted, np.sum(y * t, axis=1, keepdims=True) / wanted / length


def _cosine(y: Array, t: Array, p: Numbers) -> Array:
    """l = 1 - cos."""
    each: Array = 1 - _lengths(y, t)[2][:, 0]
    return each


def _cosine_gradient(y: Array, t: Array, p: Numbers) -> Array:
    """cos = y t / (|y| |t|) and d|y|/dy = y / |y|: dl/dy = (cos y / |y| - t / |t|) / |y|."""
    length, wanted, cos = _lengths(y, t)
    dy: Array = (cos * (y / length) - t / wanted) / length
    return dy


_TABLE: dict[str, Pair] = {
    "mse": _mean(lambda y, t, p: (y - t) ** 2, lambda y, t, p: 2 * (y - t)),
    "mae": _mean(lambda y, t, p: np.abs(y - t), lambda y, t, p: np.sign(y - t)),
    "huber": _mean(_huber, lambda y, t, p: np.clip(y - t, -p[0], p[0])),
    "log_cosh": _mean(_log_cosh, lambda y, t, p: np.tanh(y - t)),
    "quantile": _mean(_quantile, _quantile_slope),
    "poisson": _mean(_poisson, _poisson_slope),
    "gaussian_nll": _mean(_gaussian_nll, _gaussian_nll_slope),
    "binary_cross_entropy": _mean(_binary_cross_entropy, lambda y, t, p: _sigmoid(y) - t),
    "binary_focal": _mean(_binary_focal, _binary_focal_slope),
    "hinge": _mean(
        lambda y, t, p: np.maximum(0, 1 - t * y),
        lambda y, t, p: np.where(1 - t * y > 0, -t, y.dtype.type(0)),
    ),
    "cross_entropy": (_cross_entropy, _cross_entropy_gradient),
    "kl_divergence": (_kl_divergence, lambda y, t, p: _cross_entropy_gradient(y, t, (0.0,))),
    "focal": (_focal, _focal_gradient),
    "categorical_hinge": (_categorical_hinge, _categorical_hinge_gradient),
    "cosine": (_cosine, _cosine_gradient),
}


# ----------------------------------------------------------------------------------------- batches
def _formulas(loss: Loss) -> Pair:
    if isinstance(loss, CustomLoss):
        return loss.rows, loss.gradient
    return _TABLE[loss.kind]


def weights(y: Sized, w: Array | None) -> npt.NDArray[np.float64]:
    """The weight of each sample in float64; 1 where none are given."""
    return np.ones(len(y)) if w is None else w.astype(np.float64)


def samples(loss: Loss, y: Array, t: Array) -> npt.NDArray[np.float64]:
    """The loss of each sample, computed in the dtype of y; float64 for summing."""
    factor = y.shape[1] / loss.over[0] if loss.over[0] else 1.0
    return factor * _formulas(loss)[0](y, t, loss.parameters).astype(np.float64)


def backward(
    loss: Loss, y: Array, t: Array, w: npt.NDArray[np.float64], total: float | None = None
) -> Array:
    """flush((w_i / sum w) dl_i/dy) of checked arguments; zeros where the weights sum to zero.
    total: in place of the sum, where the rows are but a piece of a batch."""
    total = np.sum(w) if total is None else total
    if total == 0:
        return np.zeros_like(y)
    factor = y.shape[1] / loss.over[1] if loss.over[1] else 1.0
    share = (w / total * factor).astype(y.dtype)
    return flush(share[:, None] * _formulas(loss)[1](y, t, loss.parameters))


def hits(accuracy: str, loss: Loss, y: Array, t: Array) -> npt.NDArray[np.float64]:
    """For each sample whether the output y is right; a mean over outputs for "threshold"."""
    if accuracy == "argmax":
        right = np.argmax(y, axis=1) == (t if t.ndim == 1 else np.argmax(t, axis=1))
        found: npt.NDArray[np.float64] = right.astype(np.float64)
        return found
    if accuracy == "threshold":
        found = np.mean((y > loss.half) == (t > 0.5), axis=1)
        return found
    return np.zeros(len(y))


def loss_forward(
    loss: str | Loss,
    y: npt.ArrayLike,
    t: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> float:
    """The weighted mean loss sum(w l) / sum(w) over the samples; 0.0 where the weights sum to zero.

    loss is a name or an object of deltarule.losses, which has the formulas. y (n, n_out) are
    outputs or, for the losses whose `logits` is true, what the last activation is applied to. t is
    (n, n_out) of the dtype of y or, for losses of classes, integer labels (n,). (A Network takes
    targets in more forms; here those of quantile and gaussian_nll are there once for each output,
    those of hinge are -1 and 1.) sample_weight (n,) of the dtype of y, finite and >= 0; None means
    1 for every sample.

    Raises ValueError for an unknown loss, shapes that do not fit, labels outside 0..n_out-1 or bad
    weights; TypeError for other or mixed dtypes.
    """
    kind = losses.get(loss)
    y_, t_, given = _check.loss_arrays(kind, y, t, sample_weight)
    with quiet():
        w = weights(y_, given)
        total = np.sum(w)
        return float(np.sum(w * samples(kind, y_, t_)) / total) if total else 0.0


def loss_backward(
    loss: str | Loss,
    y: npt.ArrayLike,
    t: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> Array:
    """The gradient of loss_forward with respect to y.

    L = sum_i w_i l_i / sum_i w_i and l_i depends on row i only: dy_i = (w_i / sum w) dl_i/dy_i. The
    derivatives stand beside the formulas in this file. Results below 2^-100 (float64: 2^-1000) in
    magnitude become +0; all are zero where the weights sum to zero. Arguments and errors as for
    loss_forward. Returns dy (n, n_out), dtype of y.
    """
    kind = losses.get(loss)
    y_, t_, given = _check.loss_arrays(kind, y, t, sample_weight)
    with quiet():
        return backward(kind, y_, t_, weights(y_, given))
