"""How far the normalisations may lie from the exact ones, in the manner of _bounds.

Statistics are along `axis`: 0 for batch_norm, 1 for layer_norm and rms_norm; the latter, which does
not take the mean out, is not `centred`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import _bounds
from ._bounds import Array, Near, Precision, exact


class Normal(NamedTuple):
    """x_hat = (x - mean) inverse, inverse = 1 / sqrt(var + eps)."""

    mean: Near
    var: Near
    inverse: Near
    x_hat: Near
    axis: int
    centred: bool

    def average(self, a: Array) -> Array:
        """Along the axis, which stays."""
        count = max(a.shape[self.axis], 1)
        mean: Array = np.sum(a, axis=self.axis, keepdims=True) / count
        return mean


def normal(p: Precision, x: Near, eps: float, axis: int, centred: bool = True) -> Normal:
    """Of statistics in two passes (Chan, Golub & LeVeque, 1983). The mean of the first is off by
    `first`, the rounding of a sum; the second pass sums deviations, which are as small as they are,
    and its own rounding is all that is left, but for `first` squared in the variance."""
    count = x.value.shape[axis]
    empty = Normal(x, x, x, x, axis, centred)  # for its average()
    zero = np.zeros_like(empty.average(x.value))
    mean = empty.average(x.value) if centred else zero
    d = x.value - mean
    var = empty.average(d * d)
    of_mean, first, moved = zero, zero, x.error
    if centred:
        first = (count + 2) * p.eps * empty.average(x.size)
        rounding = (count + 4) * p.eps * (empty.average(np.abs(d) + x.error) + first)
        of_mean = empty.average(x.error) + 2 * p.eps * np.abs(mean) + rounding + p.least
        moved = x.error + empty.average(x.error)
    of_d = x.error + of_mean + p.eps * np.abs(d) + p.least
    # The root of the mean square is a norm: it moves by no more than that of what moves.
    spread, step = np.sqrt(var), np.sqrt(empty.average(moved**2))
    rounding = (count + 6) * p.eps * ((spread + step) ** 2 + first**2) + (count + 1) * p.least
    of_var = (2 * spread + step) * step + rounding
    deviation = np.sqrt(var + eps)
    of_deviation = step + rounding / deviation + 2 * p.eps * deviation
    lowest = np.maximum(deviation - of_deviation, 0.99 * np.sqrt(eps))
    inverse = 1 / deviation
    of_inverse = 1 / lowest - inverse + 2 * p.eps * inverse
    x_hat = d * inverse
    # no deviation is more than sqrt(count) times their root of the mean square
    most = np.abs(x_hat) + 1.01 * np.sqrt(count)
    of_x_hat = of_d * (inverse + of_inverse) + np.abs(d) * of_inverse + 2 * p.eps * np.abs(x_hat)
    return Normal(
        Near(mean, of_mean),
        Near(var, of_var),
        Near(inverse, of_inverse),
        Near(x_hat, np.minimum(of_x_hat, most)),
        axis,
        centred,
    )


def given(p: Precision, x: Near, mean: Near, var: Near, eps: float) -> Normal:
    """With statistics of columns that do not depend on x."""
    inverse = 1 / np.sqrt(var.value + eps)
    of_inverse = 1 / np.sqrt(np.maximum(var.value - var.error, 0) + eps) - inverse
    of_inverse = of_inverse + 3 * p.eps * inverse
    d = x.value - mean.value
    of_d = x.error + mean.error + p.eps * np.abs(d) + p.least
    x_hat = d * inverse
    of_x_hat = of_d * (inverse + of_inverse) + np.abs(d) * of_inverse + 2 * p.eps * np.abs(x_hat)
    return Normal(mean, var, Near(inverse, of_inverse), Near(x_hat, of_x_hat), 0, True)


def forward(p: Precision, x: Normal, w: Near | None = None, b: Near | None = None) -> Array:
    """Of y = x_hat w + b."""
    w = w or exact(1.0)
    b = b or exact(0.0)
    error = x.x_hat.error * w.size + np.abs(x.x_hat.value) * w.error + b.error
    bound: Array = error + 3 * p.eps * (x.x_hat.size * w.size + b.size) + p.least
    return bound


def backward(p: Precision, x: Normal, w: Near | None, dy: Near) -> tuple[Array, Array, Array]:
    """Of dx = flush(inverse (g - mean(g) - x_hat mean(g x_hat))), g = dy w, and of sums over the
    rows dw = sum dy x_hat and db = sum dy."""
    rows, count = len(dy.value), dy.value.shape[x.axis]
    w = w or exact(1.0)
    hat = x.x_hat
    g = Near(dy.value * w.value, dy.error * w.size + np.abs(dy.value) * w.error)
    g = Near(g.value, g.error + p.eps * g.size + p.least)
    products = Near(g.value * hat.value, g.error * hat.size + np.abs(g.value) * hat.error)
    slope = x.average(products.error) + (count + 6) * p.eps * x.average(g.size * hat.size)
    product = Near(x.average(products.value), slope)
    level = x.average(g.error) + (count + 3) * p.eps * x.average(g.size)
    mean = Near(x.average(g.value), level) if x.centred else exact(np.zeros_like(level))
    error = g.error + mean.error + np.abs(hat.value) * product.error + hat.error * product.size
    terms = g.size + mean.size + hat.size * product.size
    inner = Near(g.value - mean.value - hat.value * product.value, error + 5 * p.eps * terms)
    dx = inner.error * x.inverse.size + np.abs(inner.value) * x.inverse.error
    dx = dx + 2 * p.eps * inner.size * x.inverse.size + p.tiny
    of_terms = dy.error * hat.size + np.abs(dy.value) * hat.error
    sizes = np.sum(dy.size * hat.size, axis=0)
    dw = of_terms.sum(axis=0) + (rows + 6) * (p.eps * sizes + p.least)
    return dx, dw, _bounds.column_sums(p, dy)


def given_backward(p: Precision, x: Normal, w: Near | None, dy: Near) -> Array:
    """Of dx = flush(dy w inverse), of statistics that do not depend on x."""
    w = w or exact(1.0)
    error = dy.error * w.size * x.inverse.size + np.abs(dy.value) * w.error * x.inverse.size
    error = error + np.abs(dy.value * w.value) * x.inverse.error
    bound: Array = error + 3 * p.eps * dy.size * w.size * x.inverse.size + p.tiny
    return bound


def running(p: Precision, old: Near, new: Near, momentum: float) -> Array:
    """Of flush((1 - momentum) old + momentum new)."""
    error = (1 - momentum) * old.error + momentum * new.error
    size = (1 - momentum) * old.size + momentum * new.size
    bound: Array = error + 4 * p.eps * size + p.tiny
    return bound
