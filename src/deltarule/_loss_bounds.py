"""How far losses of rows and their gradients may lie from the exact ones; where they have kinks.

As in _bounds.py: from errors that the outputs have already, and from rounding. A loss that is a
mean over the outputs has a function in `_MEANS`, which looks at each output by itself; one of whole
rows has two in `_ROWS`. One with kinks has its sides in `_SIDES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._bounds import (
    _ROUNDINGS,
    Array,
    Near,
    Precision,
    _log_softmax_error,
    _plus,
    _softmax_change,
    _softmax_relative,
    exact,
)
from .losses import Loss
from .reference import loss as reference


class Each(NamedTuple):
    """Of each output: what the errors of y make of its loss and of its slope, and the magnitude of
    the terms that these are computed from, whose roundings come on top."""

    value: Array
    terms: Array
    slope: Array
    slope_terms: Array


# -------------------------------------------------------------------------- means over the outputs
def _jump(distance: Array, error: Array, height: Array | float) -> Array:
    """What a slope may be off by where y may be on either side of a kink."""
    either: Array = np.where((np.abs(distance) <= error) & (error > 0), height, 0.0)
    return either


def _mse(loss: Any, y: Near, t: Array) -> Each:
    d, e = np.abs(y.value - t), y.error
    return Each((2 * d + e) * e, (d + e) ** 2, 2 * e, 2 * (d + e))


def _mae(loss: Any, y: Near, t: Array) -> Each:
    d, e = y.value - t, y.error
    return Each(e, np.abs(d) + e, _jump(d, e, 2), np.ones_like(d))


def _huber(loss: Any, y: Near, t: Array) -> Each:
    e = y.error
    d = np.abs(y.value - t) + e
    c = np.minimum(d, loss.delta)
    return Each(c * e, 1.5 * c * d, e, c)


def _log_cosh(loss: Any, y: Near, t: Array) -> Each:
    e = y.error
    d = np.abs(y.value - t) + e
    slope = np.minimum(d, 1)
    return Each(slope * e, np.where(d < 0.5, d * d, 1 + d), e, slope)


def _quantile(loss: Any, y: Near, t: Array) -> Each:
    d, e = y.value - t, y.error
    return Each(e, np.abs(d) + e, _jump(d, e, 1), np.ones_like(d))


def _poisson(loss: Any, y: Near, t: Array) -> Each:
    e, t = y.error, np.abs(t)
    if loss.log_input:
        rate = np.exp(y.value + e)
        return Each((rate + t) * e, rate + t * y.size, rate * e, rate + t)
    rate = y.value + reference.RATE_EPS
    low = np.maximum(y.value - e, 0) + reference.RATE_EPS
    terms = y.size + t * (1 + np.abs(np.log(rate)))
    return Each((1 + t / low) * e, terms, t * e / low**2, 1 + t / low)


def _pairs(a: Array) -> tuple[Array, Array]:
    """Of each pair of columns the left and the right one, for both."""
    return np.repeat(a[:, ::2], 2, axis=1), np.repeat(a[:, 1::2], 2, axis=1)


def _gaussian_nll(loss: Any, y: Near, t: Array) -> Each:
    (mean, s), (of_mean, of_s) = _pairs(y.value), _pairs(y.error)
    d = np.abs(mean - t) + of_mean
    v = np.exp(np.minimum(s - of_s, reference.MOST_LOG_VARIANCE)) + loss.eps
    square = d * d / v
    by_mean = 2 * (of_mean / v + d / v * of_s)
    by_s = of_s * (0.25 + 1.25 * square) + 2 * d / v * of_mean
    left = np.arange(y.value.shape[1]) % 2 == 0
    return Each(
        d / v * of_mean + np.maximum(1, square) / 2 * of_s,
        (np.abs(np.log(v)) + of_s + 1) / 2 + square,
        np.where(left, by_mean, by_s),
        np.where(left, 2 * d / v, 1 + square),
    )


def _binary_cross_entropy(loss: Any, y: Near, t: Array) -> Each:
    terms = y.size * (1 + np.abs(t)) + np.log1p(np.exp(-np.abs(y.value)))
    return Each(y.error, terms, y.error / 4, 1 + np.abs(t))


def _binary_focal(loss: Any, y: Near, t: Array) -> Each:
    """The second derivative is at most (1 + gamma)^2 alpha_t; exponents carry their rounding into
    relative errors."""
    x, focus, lost = reference._side(y.value, t, loss.parameters)
    slope = np.abs(reference._binary_focal_slope(y.value, t, loss.parameters))
    change = (1 + loss.gamma) ** 2 * y.error
    exponent = 1 + loss.gamma * np.logaddexp(0, x)
    return Each((slope + change) * y.error, focus * lost * exponent, change, slope * exponent)


def _hinge(loss: Any, y: Near, t: Array) -> Each:
    size = np.abs(t)
    jump = _jump(1 - t * y.value, size * y.error, size)
    return Each(size * y.error, 1 + size * y.size, jump, size)


_MEANS: dict[str, Callable[[Any, Near, Array], Each]] = {
    "mse": _mse,
    "mae": _mae,
    "huber": _huber,
    "log_cosh": _log_cosh,
    "quantile": _quantile,
    "poisson": _poisson,
    "gaussian_nll": _gaussian_nll,
    "binary_cross_entropy": _binary_cross_entropy,
    "binary_focal": _binary_focal,
    "hinge": _hinge,
}


# ---------------------------------------------------------------------------- losses of whole rows
def _softened(loss: Loss, y: Near, t: Array) -> Array:
    """Targets of cross_entropy and kl_divergence as rows, smoothed."""
    share = loss.parameters[0] if loss.parameters else 0.0
    return np.abs(reference._smooth(y.value, t, share))


def _cross_entropy(p: Precision, loss: Any, y: Near, t: Array) -> Array:
    """sum_j t_j (log_sum - shifted_j); the logarithm makes relative errors of the sum absolute. Of
    the terms only those count that are not 0."""
    t = _softened(loss, y, t)
    shifted = np.abs(y.value - y.value.max(axis=1, keepdims=True))
    terms = np.log(np.exp(-shifted).sum(axis=1, keepdims=True)) + shifted
    if loss.kind == "kl_divergence":
        terms = terms + np.abs(np.log(np.where(t > 0, t, 1)))
    count = np.count_nonzero(t, axis=1, keepdims=True) + _ROUNDINGS
    each = _log_softmax_error(p, y) + p.eps * count * terms
    bound: Array = np.sum(t * each, axis=1)
    return bound


def _cross_entropy_gradient(p: Precision, loss: Any, y: Near, t: Array) -> Array:
    t, n = _softened(loss, y, t), y.value.shape[1]
    chances = np.exp(y.value - y.value.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    mass = t.sum(axis=1, keepdims=True)
    relative = _softmax_relative(y.value) + n + 2 * _ROUNDINGS
    size = p.eps * (relative * chances * mass + 2 * _ROUNDINGS * t)
    bound: Array = _softmax_change(y, chances) * mass + size
    return bound


def _focal_relative(p: Precision, loss: Any, y: Near, t: Array, powers: float) -> Array:
    """The relative error (n, 1) of a product with so many factors that errors of y change by at
    most e^(2 error) each, besides q^gamma."""
    _, q, _ = reference._rest(y.value, t)
    error = y.error.max(axis=1, keepdims=True)
    of_softmax = _softmax_relative(y.value).max(axis=1, keepdims=True)
    logarithm = np.abs(np.log(np.maximum(q, np.finfo(float).tiny)))
    rounding = (loss.gamma + powers) * of_softmax + loss.gamma * _ROUNDINGS * (1 + logarithm)
    change = np.expm1(np.minimum(2 * (loss.gamma + powers) * error, 700.0))
    bound: Array = change + p.eps * (rounding + 2 * _ROUNDINGS * powers)
    return bound


def _focal(p: Precision, loss: Any, y: Near, t: Array) -> Array:
    value = reference._focal(y.value, t, loss.parameters)
    bound: Array = value * _focal_relative(p, loss, y, t, 2)[:, 0]
    return bound


def _focal_gradient(p: Precision, loss: Any, y: Near, t: Array) -> Array:
    slope = np.abs(reference._focal_gradient(y.value, t, loss.parameters))
    bound: Array = slope * _focal_relative(p, loss, y, t, 4)
    return bound


def _categorical_hinge(p: Precision, loss: Any, y: Near, t: Array) -> Array:
    size = 1 + 2 * np.abs(y.value).max(axis=1)
    bound: Array = 2 * y.error.max(axis=1) + p.eps * _ROUNDINGS * size
    return bound


def _categorical_hinge_gradient(p: Precision, loss: Any, y: Near, t: Array) -> Array:
    """A slope may be another where the margin may be 0, and where there may be another rival."""
    margin, rival = reference._margin(y.value, t)
    rows = np.arange(len(t))
    slack = _categorical_hinge(p, loss, y, t)
    top = y.value[rows, rival] - y.error[rows, rival]
    may_be = (y.value + y.error >= top[:, None]) & (y.error > 0)
    may_be[rows, t] = False
    doubtful = may_be & (may_be.sum(axis=1, keepdims=True) > 1)
    unsure = np.abs(margin) <= slack
    doubtful[rows[unsure], t[unsure]] = doubtful[rows[unsure], rival[unsure]] = True
    bound: Array = doubtful + p.eps * _ROUNDINGS * np.ones_like(y.value)
    return bound


def _lengths(y: Near, t: Array) -> tuple[Array, Array]:
    """The least length that y may have, and how long its error is, (n, 1) each."""
    error = np.linalg.norm(y.error, axis=1, keepdims=True)
    length = reference._lengths(y.value, t)[0] - error
    return np.maximum(length, np.sqrt(reference.LENGTH_EPS)), error


def _cosine(p: Precision, loss: Any, y: Near, t: Array) -> Array:
    length, error = _lengths(y, t)
    bound: Array = (error / length)[:, 0] + 2 * p.eps * (y.value.shape[1] + _ROUNDINGS)
    return bound


def _cosine_gradient(p: Precision, loss: Any, y: Near, t: Array) -> Array:
    """The second derivative is at most 3 / |y|^2."""
    length, error = _lengths(y, t)
    each = 3 * error / length**2 + 2 * p.eps * (y.value.shape[1] + _ROUNDINGS) / length
    return np.broadcast_to(each, y.value.shape)


Row = Callable[[Precision, Any, Near, Array], Array]
_ROWS: dict[str, tuple[Row, Row]] = {
    "cross_entropy": (_cross_entropy, _cross_entropy_gradient),
    "kl_divergence": (_cross_entropy, _cross_entropy_gradient),
    "focal": (_focal, _focal_gradient),
    "categorical_hinge": (_categorical_hinge, _categorical_hinge_gradient),
    "cosine": (_cosine, _cosine_gradient),
}


# ------------------------------------------------------------------------------------ of any loss
def known(loss: Loss) -> bool:
    """Whether the functions below have an answer: not where users have written the loss."""
    return loss.kind in _ROWS or loss.kind in _MEANS


def rounding(p: Precision, loss: Loss, y: Array, t: Array) -> Array:
    """What rounding usually adds to the loss of each row: what is known of it, or by trial, what
    the loss changes when its outputs are rounded up or down."""
    if known(loss):
        return rows(p, loss, exact(y), t)
    signs = np.where(np.arange(y.size).reshape(y.shape) % 3, 1, -1)
    each = reference.samples(loss, y, t)
    moved = reference.samples(loss, y * (1 + p.eps * signs), t)
    usual: Array = np.abs(moved - each) + 4 * p.eps * np.abs(each)
    return usual


def rows(p: Precision, loss: Loss, y: Near, t: Array) -> Array:
    """Of the loss of each row, t being labels (n,) or targets (n, n_out)."""
    if loss.kind in _ROWS:
        return _plus(_ROWS[loss.kind][0](p, loss, y, t), p.least)
    n = y.value.shape[1]
    each = _MEANS[loss.kind](loss, y, t)
    return _plus(np.mean(each.value + p.eps * (n + 2 * _ROUNDINGS) * each.terms, axis=1), p.least)


def gradient(p: Precision, loss: Loss, y: Near, t: Array, share: Array) -> Array:
    """Of the gradient at y; share (n,): the weight of each row over the sum of all."""
    if loss.kind in _ROWS:
        error = _ROWS[loss.kind][1](p, loss, y, t)
    else:
        each = _MEANS[loss.kind](loss, y, t)
        error = (each.slope + p.eps * 2 * _ROUNDINGS * each.slope_terms) / y.value.shape[1]
    return _plus(share[:, None] * error, p.tiny)


def _rival_sides(loss: Any, y: Array, t: Array) -> tuple[Any, ...]:
    margin, rival = reference._margin(y, t)
    return (margin[:, None] > 0, rival[:, None] == np.arange(y.shape[1]))


_SIDES: dict[str, Callable[[Any, Array, Array], tuple[Any, ...]]] = {
    "mae": lambda loss, y, t: (y > t,),
    "quantile": lambda loss, y, t: (y > t,),
    "huber": lambda loss, y, t: (y - t > loss.delta, t - y > loss.delta),
    "hinge": lambda loss, y, t: (t * y < 1,),
    "categorical_hinge": _rival_sides,
}


def sides(loss: Loss, y: Array, t: Array) -> npt.NDArray[np.bool_]:
    """On which side of each of its kinks every row is, (n, kinks): where the loss is no smooth
    function, or (huber) its second derivative jumps."""
    found = _SIDES[loss.kind](loss, y, t) if loss.kind in _SIDES else ()
    return np.concatenate([np.zeros((len(y), 0), bool), *found], axis=1)
