"""The base of all layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import _check
from .._lowering import Builder
from .._spec import Spec
from ..activations import Activation, Identity
from ..initializers import Initializer

Shape = tuple[int, ...]

MAX_RANK = 32  # of a sample; as many as all versions of numpy can take


@dataclass(frozen=True, repr=False)
class Layer(Spec):
    """A layer is a specification: it owns no parameters, the Network does.

    The same object may therefore stand at several places and in several networks.
    """

    @property
    def output_activation(self) -> Activation:
        """The activation of what the layer puts out; identity where it applies none."""
        return Identity()

    @property
    def width(self) -> int | None:
        """How many numbers of a sample it puts out, where that does not depend on its input."""
        return None

    @property
    def keeps_width(self) -> bool:
        """Whether it puts out as many numbers of a sample as it takes, where `width` is None."""
        return True

    @property
    def least_batch(self) -> int:
        """The rows of the smallest batch that it learns from."""
        return 1

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of a sample behind the layer: as before it, unless the layer says otherwise.

        Raises ValueError when a sample of input_shape does not fit.
        """
        return input_shape

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        """Adds the nodes that the engine runs on samples of a shape in the buffer `source`. `name`
        is the position of the layer. Returns the buffer with the output."""
        raise NotImplementedError

    def initializers(self) -> dict[str, Initializer]:
        """How each of its own parameters begins, by the name that it has in the layer."""
        return {}

    def children(self) -> Sequence[tuple[str, Layer]]:
        """The layers inside, each with its position: "0", or "1.0" in the branch 1."""
        return ()


def check_rank_1(kind: str, shape: Shape) -> Shape:
    """The shape of a sample; ValueError unless it is (features,)."""
    if len(shape) != 1:
        raise ValueError(
            f"a {kind} layer needs samples of rank 1, (features,), got {shape}: put a Flatten() "
            "layer before it, or reshape to (n, features) with X.reshape(len(X), -1)"
        )
    return shape


def check_factor(layer: Any) -> None:
    """Checks learning_rate_factor, and makes it a float."""
    factor = _check.positive_real("learning_rate_factor", layer.learning_rate_factor)
    object.__setattr__(layer, "learning_rate_factor", factor)


def inside(name: str, layer: Layer) -> list[tuple[str, Layer]]:
    """The children of a layer with their positions in the network."""
    return [(f"{name}.{inner}", child) for inner, child in layer.children()]


def walk(layers: Sequence[tuple[str, Layer]]) -> Iterator[tuple[str, Layer]]:
    """Every layer with its position ("2", "2.0", "2.0.1"), those inside of one right behind it."""
    for name, layer in layers:
        yield name, layer
        yield from walk(inside(name, layer))


def behind(layer: Layer, shape: Shape) -> Shape:
    """The shape of a sample behind a layer, which may be a user's and say what is no shape."""
    given = layer.output_shape(shape)
    what = f"output_shape of {type(layer).__name__}"
    if not isinstance(given, tuple) or not 1 <= len(given) <= MAX_RANK:
        raise ValueError(f"{what} must be a shape such as (8,), got {given!r:.80}")
    sizes = tuple(_check.integer(what, size, 1, 1 << 31) for size in given)
    _check.integer(f"{what}, multiplied,", math.prod(sizes), 1, 1 << 40)
    return sizes


def lower_chain(
    layers: Sequence[tuple[str, Layer]], builder: Builder, shape: Shape, source: int
) -> tuple[int, Shape]:
    """One layer after the other; the buffer with the output, and its shape."""
    for name, layer in layers:
        end = behind(layer, shape)
        source = layer.lower(builder, name, shape, source)
        shape = end
    return source, shape


def width_of(layers: Sequence[Layer]) -> int | None:
    """How many numbers of a sample a chain puts out, where that does not depend on its input."""
    for one in reversed(layers):
        if one.width is not None or not one.keeps_width:
            return one.width
    return None
