"""How far what acts on weights, and prelu, may lie from the exact one, in the manner of _bounds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from . import _bounds
from ._bounds import Array, Near, Precision
from .reference import clip as reference_clip


# -------------------------------------------------------------------------------------- penalties
def penalty(p: Precision, w: Near, l1: float, l2: float) -> float:
    """Of l1 sum |w| + l2 sum w^2: partial sums of at most 64 numbers of a tile, tiles in double."""
    of_sums = p.eps * (80 + w.value.size / 1024)
    sizes = l1 * float(np.sum(w.error + of_sums * w.size))
    squares = l2 * float(np.sum((w.size + np.abs(w.value)) * w.error + of_sums * w.size**2))
    return sizes + squares + (l1 + l2) * p.least * w.value.size


def penalty_gradient(p: Precision, w: Near, g: Near, l1: float, l2: float) -> Array:
    """Of g + l1 sign(w) + 2 l2 w, where w may have either sign."""
    either = 2 * l1 * ((np.abs(w.value) <= w.error) & (w.error > 0))
    size = g.size + l1 + 2 * l2 * w.size
    error: Array = g.error + 2 * l2 * w.error + either + 3 * (p.eps * size + p.least)
    return error


# --------------------------------------------------------------------------------------- clipping
Gradients = dict[str, Near]


def clipped(p: Precision, gradients: Gradients, given: Mapping[str, float]) -> Gradients:
    """The gradients that the reference gives, with their errors."""
    exactly = reference_clip.clip({name: g.value for name, g in gradients.items()}, given)
    squares = {name: _bounds.squares(p, g) for name, g in gradients.items()}
    if "global_clipnorm" in given:
        low, high = (float(sum(ends)) for ends in zip(*squares.values(), strict=True))
        squares = dict.fromkeys(squares, (low, high))
    found = {}
    for name, g in gradients.items():
        error = g.error
        for kind, limit in given.items():
            if kind == "clipvalue":  # a projection, and the limit rounded
                error = np.minimum(g.error, 2 * limit) + p.eps * limit
            else:
                most, least = (min(1, limit / (np.sqrt(s) + 1e-6)) for s in squares[name])
                rounding = 2 * (p.eps * most * g.size + p.least)
                error = most * g.error + (most - least) * np.abs(g.value) + rounding
        found[name] = Near(exactly[name], error)
    return found


# ------------------------------------------------------------------------------------ constraints
def constrained(p: Precision, kind: str, limit: float, w: Near, held: Array) -> Array:
    """Of weights held to a constraint. Both are projections onto convex sets, which bring no two
    points further apart: columns (max_norm) by their length, or each number by itself."""
    if kind == "non_negative":
        return w.error
    rounding = (len(w.value) + 10) * (p.eps * np.abs(held) + p.least)
    short = np.linalg.norm(w.size, axis=0) * (1 + len(w.value) * p.eps) < limit
    error: Array = np.where(short, w.error, np.linalg.norm(w.error, axis=0) + rounding)
    return error


# ------------------------------------------------------------------------------------------ prelu
def _sides(x: Near) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Where x may be above 0, and where it may not be."""
    return x.value + x.error > 0, x.value - x.error <= 0


def prelu(p: Precision, x: Near, slope: Near, y: Array) -> Array:
    """Of y = x where x > 0, else slope x; both are continuous in each other's place."""
    above, below = _sides(x)
    steepest = np.maximum(above, below * slope.size)
    of_slope = below * (np.maximum(-x.value, 0) + x.error) * slope.error
    error: Array = steepest * x.error + of_slope + p.eps * np.abs(y) + p.least
    return error


def prelu_slope(p: Precision, x: Near, slope: Near, dy: Near) -> tuple[Array, Array]:
    """Of dx = flush(dy or slope dy), and of the gradient of the slopes, sums of x dy where x is not
    above 0."""
    above, below = _sides(x)
    either = (above & below) * (1 + slope.size)
    steepest = np.maximum(above, below * slope.size)
    dx = steepest * (dy.error + p.eps * dy.size) + dy.size * (below * slope.error + either)
    size = below * x.size * dy.size
    each = below * (x.error * dy.size + np.abs(x.value) * dy.error)
    products = Near(np.where(above & below, 0, size), np.where(above & below, size + each, each))
    sums = _bounds.column_sums(p, products)
    if len(slope.value) != len(sums):  # one for all columns
        sums = np.array([np.sum(sums) + p.eps * np.sum(size)])
    return dx + p.tiny, sums


# --------------------------------------------------------------------------------------- averages
def average(p: Precision, w: Near, old: Near, share: float) -> Array:
    """Of (1 - share) old + share w, computed from their difference, and flushed."""
    rounding = 3 * p.eps * (w.size + old.size)
    error: Array = (1 - share) * old.error + share * w.error + rounding + p.tiny
    return error
