"""What the parameters of a network are before training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy.typing as npt

from . import _engine
from ._graph import Graph
from .layers import Layer, named, walk
from .layers.custom import Bound

Array = npt.NDArray[Any]


def first_values(
    layers: Sequence[Layer], graph: Graph, backend: str, seed: int
) -> Iterator[tuple[str, Array]]:
    """(name, values) of every parameter that does not begin as zeros."""
    shapes = graph.parameter_shapes()
    bound = {node.name: node.custom for node in graph.nodes}
    for index, (layer_name, layer) in enumerate(walk(named(layers))):
        for part, initializer in layer.initializers().items():
            name = f"{layer_name}.{part}"
            matrix = shapes.get(f"{layer_name}.weight", shapes[name])
            n_in, n_out = matrix if len(matrix) == 2 else (1, matrix[0])
            where = {"seed": seed, "layer": index, "dtype": graph.dtype}
            where["purpose"] = "weight" if len(shapes[name]) == 2 else "bias"
            where |= initializer.arguments
            first = _engine.functions(backend).initialize(initializer.kind, n_in, n_out, **where)
            yield name, first
        if isinstance(custom := bound.get(layer_name), Bound):
            yield from custom.first_values(layer_name, seed, index, graph.dtype)
