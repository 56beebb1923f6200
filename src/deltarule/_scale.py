"""Inputs on scales that a network does not learn well from."""

from __future__ import annotations

import numpy as np

from . import _engine
from ._check import Array
from ._check_sparse import Rows, Sparse
from ._warn import warn

ROWS = 256  # looked at
SMALL, LARGE = 1e-3, 30.0  # between which the root of the mean square may be: no column beyond, and
# the largest not below, since columns that are nearly always 0 are small


class ScaleWarning(UserWarning):
    """The numbers of a column are so large or small that a network learns badly from them."""


def check(plan: _engine.Plan, x: Rows) -> None:
    """A ScaleWarning where the first weights, which are made for numbers around 1, meet columns of
    another scale. Of a network that has learnt something already nothing is said."""
    if plan.step or not any(node.kind == "dense" and node.source == 0 for node in plan.graph.nodes):
        return
    with np.errstate(all="ignore"):  # of numbers whose squares are too large, infinity will do
        size = np.sqrt(_mean_squares(x[:: max(1, len(x) // ROWS)][:ROWS]))
    wild = int((size > LARGE).sum())
    column = int(np.argmax(size))
    if not wild and not 0 < size[column] < SMALL:
        return
    others = f" and {wild - 1:,} more" if wild > 1 else ""
    warn(
        f"column {column}{others} of X has numbers of the size of {size[column]:.3g}, from which "
        "networks learn slowly or not at all: put dr.Normalization() first, or scale X",
        ScaleWarning,
    )


def _mean_squares(rows: Rows) -> Array:
    """Of each column."""
    if isinstance(rows, Sparse):
        squares = np.square(rows.data[rows.entries], dtype=np.float64)
        columns = rows.columns_of(rows.entries)
        return np.bincount(columns, weights=squares, minlength=rows.columns) / len(rows)
    return np.asarray(np.square(np.asarray(rows, np.float64)).mean(axis=0))
