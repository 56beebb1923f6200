"""How far a computed number may lie from the exact one: running error analysis.

Every function here takes values with the errors that they already have and returns the largest
error of the result, elementwise, from the rounding errors of the operations that make it (Higham,
"Accuracy and Stability of Numerical Algorithms", 2002, chapters 3 and 4). One operation has the
relative error u = eps / 2, a sum of k products in any order k u times the sum of their magnitudes.
eps stands here in place of u: the other half covers the reference's own rounding where that has
the same dtype, and the terms of second order. Values and errors are float64 arrays.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._rounding import Interval
from .optimizers import Optimizer
from .reference import activation as reference
from .reference import noise as reference_noise
from .reference import optimizer as reference_optimizer
from .schedules import Schedule

Array = npt.NDArray[np.float64]

# Where the derivative of an activation jumps.
KINKS = {
    "relu": (0.0,),
    "leaky_relu": (0.0,),
    "elu": (0.0,),
    "selu": (0.0,),
    "hard_sigmoid": (-3.0, 3.0),
    "hard_swish": (-3.0, 3.0),
}

# Where the derivative does not jump, but the second one does.
BENDS = {"celu": (0.0,), "softsign": (0.0,)}

# The largest magnitudes of first and second derivative of the elementwise activations, apart from
# exp (its own derivative) and from what alpha adds.
_STEEPEST = {
    "identity": (1.0, 0.0),
    "relu": (1.0, 0.0),
    "leaky_relu": (1.0, 0.0),
    "elu": (1.0, 0.0),
    "selu": (1.76, 1.76),
    "celu": (1.0, 0.0),
    "gelu": (1.13, 0.8),
    "gelu_tanh": (1.13, 0.81),
    "silu": (1.1, 0.5),
    "mish": (1.09, 0.65),
    "softplus": (1.0, 0.25),
    "softsign": (1.0, 2.0),
    "sigmoid": (0.25, 0.1),
    "hard_sigmoid": (1 / 6, 0.0),
    "hard_swish": (1.5, 1 / 3),
    "tanh": (1.0, 0.77),
}
# Operations to compute one: the fast ones promise a few ulp, numpy's are as good.
_ROUNDINGS = 4


class Near(NamedTuple):
    """A value and how far from it another computation of it may be."""

    value: Array
    error: Array

    @property
    def size(self) -> Array:
        """The largest magnitude it may have."""
        return np.abs(self.value) + self.error

    @property
    def transposed(self) -> Near:
        return Near(self.value.T, self.error.T)


def exact(value: npt.ArrayLike) -> Near:
    array = np.asarray(value, np.float64)
    return Near(array, np.zeros_like(array))


@dataclass(frozen=True)
class Precision:
    """eps: twice the rounding error. least: the rounding error among subnormal numbers. tiny:
    where errors and optimizer state become +0, so that two backends may part by as much."""

    eps: float
    least: float
    tiny: float


def precision(dtype: str) -> Precision:
    info = np.finfo(dtype)
    tiny = 2.0**-100 if dtype == "float32" else 2.0**-1000
    return Precision(float(info.eps), float(info.smallest_subnormal), tiny)


def _flat_share(errors: Array) -> Array:
    """The largest error of each row, for all of it."""
    return np.broadcast_to(errors.max(axis=-1, keepdims=True), errors.shape)


def _plus(errors: Array, least: float) -> Array:
    bound: Array = errors + least
    return bound


# ------------------------------------------------------------------------------------------ dense
def product(p: Precision, a: Near, b: Near, start: Near | None = None) -> Array:
    """Of a b + start, where start (n_out,) may be missing: k + 1 terms for an inner size k."""
    k = a.value.shape[1]
    magnitude = a.size @ b.size
    error = np.zeros_like(magnitude)
    if a.error.any():
        error = error + a.error @ b.size
    if b.error.any():
        error = error + np.abs(a.value) @ b.error
    if start is not None:
        magnitude = magnitude + start.size
        error = error + start.error
    bound: Array = error + (k + 2) * (p.eps * magnitude + p.least)
    return bound


def column_sums(p: Precision, dz: Near) -> Array:
    n = len(dz.value)
    bound: Array = dz.error.sum(axis=0) + (n + 2) * (p.eps * dz.size.sum(axis=0) + p.least)
    return bound


# ------------------------------------------------------------------------------------ activations
def _softmax_relative(z: Array) -> Array:
    """In units of eps: the relative error of softmax(z). Rounding z - max changes the exponent by
    eps |z - max|; the sum carries the errors of its n terms, each by its share, and n more."""
    shifted = np.abs(z - z.max(axis=-1, keepdims=True))
    shares = np.exp(-shifted)
    shares /= shares.sum(axis=-1, keepdims=True)
    inside = np.sum(shares * shifted, axis=-1, keepdims=True)
    relative: Array = 2 * _ROUNDINGS + z.shape[-1] + shifted + inside
    return relative


def _softmax_change(z: Near, y: Array) -> Array:
    """exp(z) changes by a factor of e^error at most, and so does their sum; no result passes 1."""
    return np.minimum(y * np.expm1(np.minimum(2 * _flat_share(z.error), 700.0)), 1.0)


def _log_softmax_error(p: Precision, z: Near) -> Array:
    """The logarithm of a sum makes its relative errors absolute."""
    shifted = np.abs(z.value - z.value.max(axis=-1, keepdims=True))
    log_sum = np.log(np.exp(-shifted).sum(axis=-1, keepdims=True))
    relative = _softmax_relative(z.value).min(axis=-1, keepdims=True)
    rounding: Array = p.eps * (relative + _ROUNDINGS * log_sum + 2 * shifted)
    error: Array = 2 * _flat_share(z.error) + rounding
    return error


def _steepest(kind: str, alpha: float) -> tuple[float, float]:
    first, second = _STEEPEST[kind]
    if kind in ("leaky_relu", "elu"):
        return max(first, alpha), alpha if kind == "elu" else second
    return first, 1 / alpha if kind == "celu" else second


def _derivative(kind: str, alpha: float, z: Array, y: Array) -> Array:
    """|f'(z)|; the reference's may be taken, which is not what is examined here."""
    with reference.quiet():
        derivative: Array = np.abs(reference.backward(kind, z, y, np.ones_like(z), alpha))
    return derivative


def activation(p: Precision, kind: str, alpha: float, z: Near, y: Array) -> Array:
    """Of y = f(z). The rounding of an elementwise f is what a few ulp of y and of z make."""
    if kind == "softmax":
        return _softmax_change(z, y) + p.eps * _softmax_relative(z.value) * y + 2 * p.least
    if kind == "log_softmax":
        return _plus(_log_softmax_error(p, z) + p.eps * np.abs(y), p.least)
    if kind == "identity":
        return z.error
    slopes = _derivative(kind, alpha, z.value, y)
    rounding = p.eps * _ROUNDINGS * (np.abs(y) + np.abs(z.value) * slopes) + p.least
    if kind == "exp":
        return y * np.expm1(z.error) + rounding
    return _steepest(kind, alpha)[0] * z.error + rounding


def slope(p: Precision, kind: str, alpha: float, z: Near, y: Near, dy: Near) -> Array:
    """Of dz = flush(dy f'(z)). Where z may be on either side of a kink, f' may be either, too."""
    if kind == "identity":
        return dy.error + p.tiny
    if kind == "softmax":  # dz = y (dy - s), s = sum dy y
        n = y.value.shape[-1]
        terms = np.sum(dy.size * y.size, axis=-1, keepdims=True)
        of_s = np.sum(dy.size * y.error + dy.error * np.abs(y.value), axis=-1, keepdims=True)
        change = y.error * (dy.size + terms) + np.abs(y.value) * (dy.error + of_s)
        return _plus(change + p.eps * (n + _ROUNDINGS) * y.size * (dy.size + terms), p.tiny)
    if kind == "log_softmax":  # dz = dy - e^y s, s = sum dy
        n, share = y.value.shape[-1], np.exp(y.value)
        terms, of_s = (np.sum(a, axis=-1, keepdims=True) for a in (dy.size, dy.error))
        share_error = share * (np.expm1(y.error) + p.eps * (n + _ROUNDINGS))
        change = dy.error + share * of_s + share_error * terms
        return _plus(change + p.eps * _ROUNDINGS * (dy.size + share * terms), p.tiny)
    slopes = _derivative(kind, alpha, z.value, y.value)
    if kind == "exp":  # y
        change, rounding = y.error, y.size
    elif kind == "sigmoid":  # y (1 - y); 1 - y rounds relative to itself
        change, rounding = y.error + y.error**2, y.size
    elif kind in ("relu", "leaky_relu"):
        change, rounding = np.zeros_like(y.value), slopes * (slopes != 1)
    else:  # terms that may cancel
        first, second = _steepest(kind, alpha)
        change, rounding = second * z.error, np.full_like(y.value, first)
    for kink in KINKS.get(kind, ()):
        either = (np.abs(z.value - kink) <= z.error) & (z.error > 0)
        change = np.where(either, change + _steepest(kind, alpha)[0], change)
    error = dy.error * (slopes + change) + dy.size * (change + p.eps * _ROUNDINGS * rounding)
    return _plus(error, p.tiny)


# ------------------------------------------------------------------------------------------ noise
# A normal number is off by 4 u times the radius that it is a coordinate of, which is sqrt(-2 ln u)
# for u >= 2^-33: docs/numerics.md.
_RADIUS = 6.77


def noise(p: Precision, kind: str, amount: float, x: Near) -> Array:
    """Of noise_forward: which elements are dropped is certain, so what they become is exact."""
    if kind == "gaussian_noise":
        size = x.size + amount * 4 * _RADIUS
        return _plus(x.error + p.eps * size, p.least)
    scale = reference_noise.scale(kind, amount)
    return _plus(scale * (x.error + p.eps * _ROUNDINGS * (x.size + 2)), p.least)


def noise_slope(p: Precision, kind: str, amount: float, dy: Near) -> Array:
    """Of noise_backward."""
    scale = reference_noise.scale(kind, amount)
    return _plus(scale * (dy.error + p.eps * dy.size), p.tiny)


# ------------------------------------------------------------------------------------- optimizers
def update(
    p: Precision, optimizer: Optimizer, w: Near, g: Near, state: Sequence[Near], step: int
) -> tuple[Near, ...]:
    """(w, *state) after update number `step`: the formula of the reference, on intervals."""
    given = (w, g, *state)
    low, high = [n.value - n.error for n in given], [n.value + n.error for n in given]
    whole = _steps(p, optimizer, [n.value for n in given], low, high, step)
    error = [interval.error for interval in whole]
    unsure = 4 * g.error > np.abs(g.value)
    if unsure.any():
        # Many divide g by the root of its square, which as intervals know nothing of each other.
        # So g comes in pieces there, of numbers that are of one size, and the worst one counts.
        value, low, high = ([a[unsure] for a in arrays] for arrays in (
            [n.value for n in given], low, high))  # fmt: skip
        found = [interval.value[unsure] for interval in whole]
        worst = [np.zeros_like(value[0]) for _ in whole]
        for ends in _pieces(low[1], high[1]):
            low[1], high[1] = ends
            value[1] = np.clip(value[1], low[1], high[1])  # a formula asks what it is
            parts = _steps(p, optimizer, value, low, high, step)
            off = [np.maximum(i.high - v, v - i.low) for i, v in zip(parts, found, strict=True)]
            worst = [np.maximum(*pair) for pair in zip(worst, off, strict=True)]
        for all_of_it, part in zip(error, worst, strict=True):
            all_of_it[unsure] = np.minimum(all_of_it[unsure], part)
    new = tuple(Near(i.value, e) for i, e in zip(whole, error, strict=True))
    if reference_optimizer.TABLE[optimizer.rule].layered:
        return _along(p, w, new[0], _rate(optimizer)), *new[1:]
    return new


def _rate(optimizer: Optimizer) -> float:
    assert not isinstance(optimizer.learning_rate, Schedule), "engines know numbers"
    return optimizer.learning_rate


def squares(p: Precision, a: Near) -> tuple[float, float]:
    """The least and the largest sum of squares that another computation may find. A row takes whole
    units, which are added to one partial sum for each number, 4096 numbers at most; then double."""
    norm, error = float(np.linalg.norm(a.value)), float(np.linalg.norm(a.error))
    if norm + error == 0:
        return 0.0, 0.0
    unit = 16 if p.eps > 1e-10 else 8
    units = a.value.size // max(a.value.shape[-1], 1) * -(-a.value.shape[-1] // unit)
    share, vanished = p.eps * (min(units, 4096 // unit) + 5), p.least * a.value.size
    low = max(norm - error, 0.0) ** 2 * (1 - share) - vanished
    return max(low, 0.0), (norm + error) ** 2 * (1 + share) + vanished


def _along(p: Precision, w: Near, r: Near, rate: float) -> Near:
    """Of w - rate |w| / |r| r. Whatever r is, no step is longer than rate |w|."""
    value = reference_optimizer.along(w.value, r.value, rate)
    (w_low, w_high), (r_low, r_high) = squares(p, w), squares(p, r)
    change = rate * r.error
    if w_high and r_high:
        change = np.full_like(change, 2 * rate * np.sqrt(w_high))
        if r_low:
            ratio = np.linalg.norm(w.value) / np.linalg.norm(r.value)
            low, high = np.sqrt(w_low / r_high), np.sqrt(w_high / r_low)
            off = high * r.error + max(high - ratio, ratio - low) * np.abs(r.value)
            change = np.minimum(change, rate * off)
        if not w_low:  # it may be 0, and steps as long as r
            change = change + rate * r.size
    rounding = p.eps * (w.size + 4 * (np.abs(value - w.value) + change)) + p.least
    return Near(value, w.error + change + rounding)


def _steps(
    p: Precision, optimizer: Optimizer, value: list[Array], low: list[Array], high: list[Array],
    step: int,
) -> tuple[Interval, ...]:  # fmt: skip
    w, g, *state = (
        Interval(*ends, p.eps, p.least, p.tiny) for ends in zip(value, low, high, strict=True)
    )
    run: Any = reference_optimizer.place_by_place
    new: tuple[Interval, ...] = run(optimizer, w, g, tuple(state), step)
    return new


def _pieces(low: Array, high: Array) -> Iterator[tuple[Array, Array]]:
    """Intervals that together are [low, high]: numbers within a factor of 4, and those near 0."""
    top = np.maximum(-low, high)
    cuts = [np.zeros_like(top), *(top * 4.0**-k for k in range(20, -1, -1))]
    for inner, outer in itertools.pairwise(cuts):
        for ends in ((inner, outer), (-outer, -inner)):
            yield np.clip(ends[0], low, high), np.clip(ends[1], low, high)
