"""Rows that a plan gets: what it takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import _check, _check_sparse
from .._check import Array
from .._check_sparse import Rows
from .._graph import Graph

Samples = tuple[Rows, Array, Array | None]  # x, targets, weights


def inputs(graph: Graph, x: npt.ArrayLike) -> Rows:
    """Rows x, or an error."""
    return _check_sparse.input_rows("x", x, graph.widths[0])


def samples(
    graph: Graph, x: npt.ArrayLike, t: npt.ArrayLike, w: npt.ArrayLike | None
) -> Samples:
    """The same with targets and weights."""
    rows, target = inputs(graph, x), np.asarray(t)
    n = len(rows)
    if graph.loss.has_labels(target.ndim):
        if target.dtype != np.int64:
            raise TypeError(f"t must be int64 labels, got dtype {target.dtype}")
        if target.shape != (n,):
            raise ValueError(f"t must have shape ({n},), got {target.shape}")
    else:
        target = _check.real_array("t", target, shape=(n, graph.widths[-1]))
        _same(graph, t=target)
    if w is None:
        return rows, target, None
    weights = _check.real_array("w", w, shape=(n,))
    _same(graph, w=weights)
    return rows, target, weights


def _same(graph: Graph, **arrays: Array) -> None:
    for name, array in arrays.items():
        if array.dtype != np.dtype(graph.dtype):
            raise TypeError(f"{name} must be {graph.dtype}, got dtype {array.dtype}")
