"""Measuring what Normalization layers take from data: mean and variance of each column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _engine, layers, losses
from ._check_sparse import Rows
from ._graph import Graph
from .layers import Layer, Normalization

Array = npt.NDArray[Any]

ROWS = 4096  # added up by themselves
NUMBERS = 1 << 22  # looked at in one go


def names(stack: Sequence[Layer]) -> list[str]:
    """The positions of all Normalization layers."""
    every = layers.walk(layers.named(stack))
    return [name for name, layer in every if isinstance(layer, Normalization)]


def are_new(plan: _engine.Plan, stack: Sequence[Layer]) -> bool:
    """Whether there are any, all as they were made: nothing has been measured."""
    found = names(stack)
    means = [plan.get(0, f"{name}.running_mean").any() for name in found]
    variances = [(plan.get(0, f"{name}.running_var") != 1).any() for name in found]
    return bool(found) and not any(means) and not any(variances)


def measure(plan: _engine.Plan, backend: str, stack: Sequence[Layer], x: Rows) -> None:
    """Sets mean and variance of each such layer, first to last."""
    for name in names(stack):
        _measure(plan, backend, name, x)


def _measure(plan: _engine.Plan, backend: str, name: str, x: Rows) -> None:
    """Those of what reaches the layer `name` from the rows x.

    Two passes in float64, each adding up rows in their order, so both backends get the same bits
    for a layer that reads the data.
    """
    (node,) = (node for node in plan.graph.nodes if node.name == name)
    before = _up_to(plan, backend, node.source)

    def pieces(rows: Rows) -> Iterator[Array]:
        size = max(1, NUMBERS // rows.shape[1])
        for first in range(0, len(rows), size):
            piece = rows[first : first + size]
            yield np.asarray(piece if before is None else before.predict(piece), np.float64)

    def total(of: Callable[[Array], Array]) -> Array:
        sums = []
        for first in range(0, len(x), ROWS):
            parts = map(of, pieces(x[first : first + ROWS]))
            added = next(parts).sum(axis=0)
            for part in parts:  # on from what there is: row by row, as if they were not in parts
                added = np.vstack([added, part]).sum(axis=0)
            sums.append(added)
        return np.asarray(sum(sums))

    mean = total(lambda rows: rows) / len(x)
    var = total(lambda rows: np.square(rows - mean)) / len(x)
    plan.set(0, f"{name}.running_mean", mean)
    plan.set(0, f"{name}.running_var", np.where(var > 0, var, 1.0))


def _up_to(plan: _engine.Plan, backend: str, buffer: int) -> _engine.Plan | None:
    """A plan that puts out what a buffer holds; None for the input."""
    if buffer == 0:
        return None
    graph: Graph = replace(
        plan.graph,
        widths=plan.graph.widths[: buffer + 1],
        nodes=tuple(node for node in plan.graph.nodes if node.target <= buffer),
        loss=losses.get("mse"),
        accuracy="none",
    )
    part = _engine.new_plan(backend, graph)
    for parameter in graph.parameter_shapes():
        part.set(0, parameter, plan.get(0, parameter))
    return part
