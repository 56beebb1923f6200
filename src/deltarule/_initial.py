"""What the parameters of a network are before training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _engine
from ._graph import Graph
from .layers import Layer, named, walk

Array = npt.NDArray[Any]


def first_values(
    layers: Sequence[Layer], graph: Graph, backend: str, seed: int
) -> Iterator[tuple[str, Array]]:
    """(name, values) of every parameter that does not begin as zeros."""
    shapes = graph.parameter_shapes()
    for index, (name, layer) in enumerate(walk(named(layers))):
        for part, initializer in layer.initializers().items():
            n_in, n_out = shapes[f"{name}.weight"]
            yield (
                f"{name}.{part}",
                _engine.initialize(
                    backend,
                    initializer.kind,
                    n_in,
                    n_out,
                    seed=seed,
                    layer=index,
                    purpose=part,
                    dtype=graph.dtype,
                ),
            )
        for part, value in layer.constants().items():
            yield f"{name}.{part}", np.full(shapes[f"{name}.{part}"], value, graph.dtype)
