"""Measuring what Normalization layers take from data: mean and variance of each column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _averaged, _engine, layers, losses
from ._graph import Graph
from .layers import Layer, Normalization

Array = npt.NDArray[Any]

ROWS = 4096  # looked at in one go


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


def measure(plan: _engine.Plan, backend: str, stack: Sequence[Layer], x: Array) -> None:
    """Sets mean and variance of each such layer, first to last."""
    for name in names(stack):
        _measure(plan, backend, name, x)


def _measure(plan: _engine.Plan, backend: str, name: str, x: Array) -> None:
    """Those of what reaches the layer `name` from the rows x.

    Two passes in float64, each adding up rows in their order, so both backends get the same bits
    for a layer that reads the data.
    """
    (node,) = (node for node in plan.graph.nodes if node.name == name)
    before = _up_to(plan, backend, node.source)

    def chunks() -> Iterator[Array]:
        for first in range(0, len(x), ROWS):
            rows = x[first : first + ROWS]
            yield np.asarray(rows if before is None else before.predict(rows), np.float64)

    mean = sum(rows.sum(axis=0) for rows in chunks()) / len(x)
    var = sum(np.square(rows - mean).sum(axis=0) for rows in chunks()) / len(x)
    _averaged.put(plan, f"{name}.running_mean", mean)
    _averaged.put(plan, f"{name}.running_var", np.where(var > 0, var, 1.0))


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
