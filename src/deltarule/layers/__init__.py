"""Layers, and the closed table of their kinds: loading a model never imports by name."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _check, _custom
from .._lowering import Builder
from .._spec import describe, from_config
from ..activations import Activation as Function
from .activation import Activation
from .base import MAX_RANK, Layer, behind, lower_chain, walk, width_of
from .batch_norm import BatchNorm
from .branches import Add, Concat, Residual
from .custom import CustomLayer
from .dense import Dense
from .layer_norm import LayerNorm, RMSNorm
from .noise import AlphaDropout, Dropout, GaussianNoise, Noise
from .normalization import Normalization
from .prelu import PReLU
from .shape import Flatten, Reshape

TABLE: dict[str, type[Layer]] = {
    cls.kind: cls
    for cls in (
        Dense,
        Activation,
        PReLU,
        BatchNorm,
        LayerNorm,
        RMSNorm,
        Normalization,
        Residual,
        Add,
        Concat,
        Flatten,
        Reshape,
        Dropout,
        AlphaDropout,
        GaussianNoise,
    )
}

MAX_LAYERS = 1000  # keeps the description in a model file far below its bound
MAX_DEPTH = 20  # of layers in layers

__all__ = [
    "TABLE",
    "Activation",
    "Add",
    "AlphaDropout",
    "BatchNorm",
    "Concat",
    "CustomLayer",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Layer",
    "LayerNorm",
    "Normalization",
    "PReLU",
    "RMSNorm",
    "Reshape",
    "Residual",
    "lower",
    "named",
    "output_activation",
    "output_shape",
    "walk",
    "width_of",
]


def check_chain(argument: str, layers: object, *, empty: bool = False) -> tuple[Layer, ...]:
    """A list of layers as a tuple; TypeError or ValueError for anything else."""
    if isinstance(layers, (str, Layer)) or not isinstance(layers, Sequence):
        raise TypeError(f"{argument} must be a list of layers, got {describe(layers)}")
    if not layers and not empty:
        raise ValueError(f"{argument} must have 1 to {MAX_LAYERS} layers, got 0")
    for index, layer in enumerate(layers):
        if isinstance(layer, CustomLayer):
            _custom.check(layer)
        elif type(layer) not in TABLE.values():
            known = ", ".join(cls.__name__ for cls in TABLE.values())
            raise TypeError(
                f"{argument}[{index}] must be a layer ({known}), got {describe(layer)}"
            )
    if _depth(layers) > MAX_DEPTH:
        raise ValueError(f"{argument} must not be nested more than {MAX_DEPTH} deep")
    count = sum(1 for _ in walk([("", layer) for layer in layers]))
    if count > MAX_LAYERS:
        raise ValueError(f"{argument} must have 1 to {MAX_LAYERS} layers, got {count}")
    return tuple(layers)


def _depth(layers: Sequence[Layer]) -> int:
    return max((1 + _depth([child for _, child in one.children()]) for one in layers), default=0)


def chain_from_config(configs: object) -> tuple[Layer, ...]:
    """The layers that a list of JSON forms describes."""
    if not isinstance(configs, list):
        raise TypeError(f"layers must be a list, got {describe(configs)}")
    if len(configs) > MAX_LAYERS:
        raise ValueError(f"layers must have 1 to {MAX_LAYERS} layers, got {len(configs)}")
    table = {**TABLE, **_custom.known(CustomLayer)}
    return tuple(from_config(config, table, "layer", _custom.HINT) for config in configs)


def check_layers(layers: object) -> tuple[Layer, ...]:
    """The layers of a network as a tuple; TypeError or ValueError for anything else."""
    checked = check_chain("layers", layers)
    computing = [one for one in checked if not isinstance(one, Flatten | Reshape)]
    if computing and isinstance(computing[-1], Noise):
        raise ValueError(
            f"layers must not end with {type(computing[-1]).__name__}: the loss would be that of "
            "an output which predict() never gives"
        )
    return checked


def check_sample_shape(shape: object) -> tuple[int, ...]:
    """The shape of a sample from (64,) or 64."""
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    if not 1 <= len(sizes) <= MAX_RANK:
        raise ValueError(
            f"input_shape must be the shape of a sample such as (64,), of 1 to {MAX_RANK} sizes, "
            f"got {shape!r:.60}"
        )
    return tuple(_check.integer("input_shape", size, 1, 1 << 31) for size in sizes)


def check_batch(layers: Sequence[Layer], rows: int) -> None:
    """ValueError when training on batches of so many rows would teach a layer nothing."""
    for name, layer in walk(named(layers)):
        if rows < layer.least_batch:
            raise ValueError(
                f"layer {name}, {layer!r}, learns from batches of {layer.least_batch} rows or "
                f"more, got batches of {rows}"
            )


def output_activation(layers: Sequence[Layer]) -> Function:
    """That of what a network puts out."""
    computing = [one for one in layers if not isinstance(one, Flatten | Reshape)]
    return (computing or layers)[-1].output_activation


def output_shape(layers: Sequence[Layer], shape: tuple[int, ...]) -> tuple[int, ...]:
    """That of a sample behind the layers; ValueError where one of them cannot take what comes."""
    for layer in layers:
        shape = behind(layer, shape)
    return shape


def named(layers: Sequence[Layer]) -> list[tuple[str, Layer]]:
    """The layers of a network with their positions."""
    return [(str(index), layer) for index, layer in enumerate(layers)]


def lower(layers: Sequence[Layer], shape: tuple[int, ...], dtype: str) -> Builder:
    """Nodes and buffers for samples of a shape; ValueError when the layers cannot take them."""
    builder = Builder(shape, dtype)
    lower_chain(named(layers), builder, shape, 0)
    if not builder.nodes:
        raise ValueError("layers must compute something, got only changes of shape")
    return builder
