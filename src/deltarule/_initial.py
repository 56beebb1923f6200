"""What the parameters of a network are before training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
            shape = shapes[f"{name}.{part}"]
            sizes = shapes.get(f"{name}.weight", shape)
            n_in, n_out = sizes if len(sizes) == 2 else (1, *sizes)
            yield (
                f"{name}.{part}",
                _engine.initialize(
                    backend,
                    initializer.kind,
                    n_in,
                    n_out,
                    seed=seed,
                    **initializer.arguments,
                    layer=index,
                    purpose="weight" if len(shape) == 2 else "bias",
                    dtype=graph.dtype,
                ),
            )
