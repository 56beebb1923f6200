"""Intervals that rounding errors may lead to, computed on as numpy computes on arrays.

A formula of the reference, run on these in place of arrays, says how far any computation of it in
another precision may lie from it (Moore, "Interval Analysis", 1966). What errors know of each other
is lost: the interval of x - x is twice as wide as that of x. So bounds always hold and may be
generous.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Ends = tuple[Any, Any]


class Interval(np.lib.mixins.NDArrayOperatorsMixin):
    """`value` (float64), which another computation may have anywhere from `low` to `high`.

    eps: the relative error that an operation adds, for both computations together; least: the
    absolute one. blur: numbers as near as this to each other may compare either way, since one
    computation may have flushed to zero what the other has kept.
    """

    dtype = np.dtype(np.float64)

    def __init__(
        self, value: Array, low: Array, high: Array, eps: float, least: float, blur: float
    ) -> None:
        self.value, self.low, self.high = value, low, high
        self.eps, self.least, self.blur = eps, least, blur

    @property
    def error(self) -> Array:
        """The largest that there may be."""
        error: Array = np.maximum(self.high - self.value, self.value - self.low)
        return error

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        known = ufunc in _ENDS or ufunc in (np.less, np.greater)
        if method != "__call__" or options or not known:
            return NotImplemented
        value, ends = ufunc(*map(_value, inputs)), [_ends(x, self.eps) for x in inputs]
        if ufunc not in _ENDS:
            (low, high), (other_low, other_high) = ends
            apart = (low - other_high > self.blur) | (other_low - high > self.blur)
            equal = (low == other_high) & (high == other_low)
            return Doubt(value, ~(apart | equal), ufunc, inputs, self)
        low, high = _ENDS[ufunc](*ends)
        if ufunc not in _EXACT:
            rounds = 1.0 * ~_is_trivial(ufunc, ends)
            low = low - rounds * (self.eps * np.abs(low) + self.least)
            high = high + rounds * (self.eps * np.abs(high) + self.least)
        return Interval(value, low, high, self.eps, self.least, self.blur)

    def __array_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...], options: Any
    ) -> Any:
        return _where(*arguments) if function is np.where else NotImplemented


class Doubt:
    """A comparison: its truth, and where another computation may find the opposite."""

    def __init__(
        self, truth: Array, doubtful: Array, ufunc: Any, inputs: tuple[Any, ...], of: Interval
    ) -> None:
        self.truth, self.doubtful, self.of = truth, doubtful, of
        self.ufunc, self.inputs = ufunc, inputs

    __array_function__ = Interval.__array_function__


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Interval) else x


def _ends(x: Any, eps: float) -> Ends:
    """A constant of the formula may have been rounded to the dtype."""
    if isinstance(x, Interval):
        return x.low, x.high
    rounded = 0.0 if float(np.float32(x)) == x else eps * abs(x)
    return x - rounded, x + rounded


def _where(condition: Doubt, yes: Any, no: Any) -> Interval:
    truth, doubtful, of = condition.truth, condition.doubtful, condition.of
    (low, high), (other_low, other_high) = _ends(yes, of.eps), _ends(no, of.eps)
    value = np.where(truth, _value(yes), _value(no))
    if yes is condition.inputs[0] and no is condition.inputs[1]:  # the larger or smaller of them
        choose = np.maximum if condition.ufunc is np.greater else np.minimum
        low, high = choose(low, other_low), choose(high, other_high)
    else:
        low = np.where(doubtful, np.minimum(low, other_low), np.where(truth, low, other_low))
        high = np.where(doubtful, np.maximum(high, other_high), np.where(truth, high, other_high))
    return Interval(value, low, high, of.eps, of.least, of.blur)


def _is_trivial(ufunc: Any, ends: list[Ends]) -> Any:
    """Where nothing is rounded: 0 is added, or multiplied by 0 or 1."""
    trivial = np.zeros((), bool)
    for low, high in ends:
        if ufunc in (np.add, np.subtract, np.multiply):
            trivial = trivial | ((low == high) & (low == 0))
        if ufunc is np.multiply:
            trivial = trivial | ((low == high) & (low == 1))
    return trivial


def _hull(*candidates: Any) -> Ends:
    return np.minimum.reduce(candidates), np.maximum.reduce(candidates)


def _product(a: Ends, b: Ends) -> Ends:
    return _hull(*np.broadcast_arrays(*(x * y for x in a for y in b)))


def _quotient(a: Ends, b: Ends) -> Ends:
    """Anything where b may be zero."""
    low, high = _hull(*np.broadcast_arrays(*(x / y for x in a for y in b)))
    zero = (b[0] <= 0) & (b[1] >= 0)
    return np.where(zero, -np.inf, low), np.where(zero, np.inf, high)


def _square(a: Ends) -> Ends:
    low, high = _size(a)
    return low * low, high * high


def _size(a: Ends) -> Ends:
    low, high = a
    least = np.maximum(np.maximum(low, -high), 0)
    return least, np.maximum(-low, high)


def _root(a: Ends) -> Ends:
    return np.sqrt(np.maximum(a[0], 0)), np.sqrt(np.maximum(a[1], 0))


# The ends of a result from the ends of the operands.
_ENDS: dict[Any, Callable[..., Ends]] = {
    np.add: lambda a, b: (a[0] + b[0], a[1] + b[1]),
    np.subtract: lambda a, b: (a[0] - b[1], a[1] - b[0]),
    np.multiply: _product,
    np.divide: _quotient,
    np.square: _square,
    np.sqrt: _root,
    np.absolute: _size,
    np.negative: lambda a: (-a[1], -a[0]),
}
_EXACT = (np.absolute, np.negative)
