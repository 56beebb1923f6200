"""Measuring what Normalization layers take from data: mean and variance of each column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _averaged, _engine, layers, losses
from ._check_sparse import Rows
from ._engine import F64
from ._graph import Graph
from .layers import Layer, Normalization

Array = npt.NDArray[Any]

VALUES = 1 << 16  # looked at in one go


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


def measure(
    plan: _engine.Plan, backend: str, stack: Sequence[Layer], passes: Callable[[], Iterable[Rows]]
) -> None:
    """Sets mean and variance of each such layer, first to last. passes: all rows of X, in any
    pieces, as often as it is called."""
    for name in names(stack):
        _measure(plan, backend, name, passes)


def _measure(
    plan: _engine.Plan, backend: str, name: str, passes: Callable[[], Iterable[Rows]]
) -> None:
    """Those of what reaches the layer `name`.

    Two passes in float64, each adding up rows in their order, so both backends get the same bits
    for a layer that reads the data, whatever pieces it comes in.
    """
    (node,) = (node for node in plan.graph.nodes if node.name == name)
    before, width = _up_to(plan, backend, node.source), plan.graph.widths[node.source]

    def sums(value: Callable[[F64], F64]) -> tuple[F64, int]:
        # numpy adds rows one after the other, but a single column in pairs: hence a second one
        total, n = np.zeros(max(2, width)), 0
        step = max(1, VALUES // len(total))
        for piece in passes():
            for first in range(0, len(piece), step):
                rows = piece[first : first + step]
                added = np.zeros((1 + len(rows), len(total)))
                added[0] = total
                added[1:, :width] = rows if before is None else before.predict(rows)
                added[1:, :width] = value(added[1:, :width])
                total, n = added.sum(axis=0), n + len(rows)
        return total[:width], n

    total, n = sums(lambda rows: rows)
    mean = total / n
    var = sums(lambda rows: np.square(rows - mean))[0] / n
    running = {f"{name}.running_mean": mean, f"{name}.running_var": np.where(var > 0, var, 1.0)}
    _averaged.put(plan, running)


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
