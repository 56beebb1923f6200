"""Layers, and the closed table of their kinds: loading a model never imports by name."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _check
from .._spec import describe
from .base import Layer
from .dense import Dense

TABLE: dict[str, type[Layer]] = {Dense.kind: Dense}

MAX_LAYERS = 1000  # keeps the description in a model file far below its bound

__all__ = ["TABLE", "Dense", "Layer"]


def check_layers(layers: object) -> tuple[Layer, ...]:
    """The layers of a network as a tuple; TypeError or ValueError for anything else."""
    if isinstance(layers, (str, Layer)) or not isinstance(layers, Sequence):
        raise TypeError(f"layers must be a list of layers, got {describe(layers)}")
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise ValueError(f"layers must have 1 to {MAX_LAYERS} layers, got {len(layers)}")
    for index, layer in enumerate(layers):
        if type(layer) not in TABLE.values():
            known = ", ".join(cls.__name__ for cls in TABLE.values())
            raise TypeError(f"layers[{index}] must be a layer ({known}), got {describe(layer)}")
    return tuple(layers)


def check_sample_shape(shape: object) -> tuple[int, ...]:
    """The shape of a sample from (64,) or 64."""
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    if not sizes:
        raise ValueError("input_shape must be the shape of a sample such as (64,), got ()")
    return tuple(_check.integer("input_shape", size, 1, 1 << 31) for size in sizes)
