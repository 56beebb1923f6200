"""Layers that are written in Python, in numpy, by users."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._custom import Custom, check_array
from .._lowering import Builder
from .._spec import describe
from ..reference.activation import quiet
from .base import Layer, Shape, behind

MOST_PARAMETERS = 16  # DR_NODE_PARAMETERS in csrc/network/network.h
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, repr=False)
class CustomLayer(Custom, Layer):
    """Base of layers that you write yourself, in numpy, for what is not there.

    Such as:

        class Square(dr.CustomLayer):
            kind = "square"

            def forward(self, x, parameters, training):
                return x * x, x

            def backward(self, dy, x, parameters):
                return 2 * x * dy, {}

    It stands in a Network like all others, on both backends, and optimizers learn its parameters.
    It is slower, as a SlowWarning says once for each class: every batch stops there until Python is
    through, on one thread. The promise of the same bits ends where numpy's functions differ.

    kind: the name by which a model file calls the layer; deltarule.load finds the class by its
        argument custom={kind: class}.
    Arguments are fields of a frozen dataclass, checked in __post_init__: numbers, texts, booleans,
        None or tuples of them. With a field `trainable` the parameters may be kept as they
        are, and with `learning_rate_factor`, a number > 0, they learn at another rate (see Dense).

    Arrays have one row for each sample, (n, *shape), and the dtype of the network, also those that
    are returned. Those that come are copies, which may be changed. nan and inf are nobody's error,
    so numpy's floating-point warnings are off. Whatever a method raises comes out of fit or what
    else has been called, with the network as after the last whole batch; so does TypeError or
    ValueError for a result that is not as said here.
    """

    def parameter_shapes(self, input_shape: Shape) -> Mapping[str, Shape]:
        """The parameters, vectors (n,) and matrices (n, m), by their names; at most 16."""
        return {}

    def first_value(self, name: str, shape: Shape, rng: np.random.Generator) -> Array:
        """What a parameter is before training: zeros in a vector, and in a matrix (n_in, n_out)
        uniform numbers in +-sqrt(6 / (n_in + n_out)) (Glorot and Bengio, 2010).

        rng: to draw from; it depends on the seed, the layer and the parameter."""
        if len(shape) == 1:
            return np.zeros(shape)
        limit = math.sqrt(6 / sum(shape))
        return rng.uniform(-limit, limit, shape)

    @abstractmethod
    def forward(self, x: Array, parameters: dict[str, Array], training: bool) -> tuple[Array, Any]:
        """(y, kept) for x (n, *input_shape): the output (n, *output_shape), and whatever `backward`
        will want to know. training: whether it will be called."""

    @abstractmethod
    def backward(
        self, dy: Array, kept: Any, parameters: dict[str, Array]
    ) -> tuple[Array, Mapping[str, Array]]:
        """(dx, gradients) from dy (n, *output_shape), the gradient of the loss at y: that at x,
        (n, *input_shape), and those at the parameters, by their names, summed over the rows."""

    @property
    def trainable(self) -> bool:
        """Whether training changes the parameters."""
        return True

    @property
    def learning_rate_factor(self) -> float:
        """What the optimizer's learning rate is multiplied by for the parameters."""
        return 1.0

    @property
    def keeps_width(self) -> bool:
        return type(self).output_shape is Layer.output_shape

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        bound = bind(self, name, shape)
        return builder.add(
            "custom",
            name,
            (source,),
            math.prod(bound.output_shape),
            trainable=_check.boolean("trainable", self.trainable),
            learning_rate_factor=_check.positive_real(
                "learning_rate_factor", self.learning_rate_factor
            ),
            custom=bound,
        )


def _check_sizes(what: str, shape: object) -> Shape:
    if not isinstance(shape, tuple) or len(shape) not in (1, 2):
        raise ValueError(f"{what} must be (n,) or (n, m), got {shape!r:.80}")
    sizes = tuple(_check.integer(what, size, 1, 1 << 31) for size in shape)
    _check.integer(f"{what}, multiplied,", math.prod(sizes), 1, 1 << 40)
    return sizes


def bind(layer: CustomLayer, name: str, shape: Shape) -> Bound:
    """The layer with its place in a network. Raises TypeError or ValueError for what its methods
    say that cannot be."""
    where = f"layer {name}, {type(layer).__name__}"
    parameters = layer.parameter_shapes(shape)
    if not isinstance(parameters, Mapping):
        raise TypeError(f"{where}: parameter_shapes must be a dict, got {describe(parameters)}")
    parameters = dict(parameters)
    if len(parameters) > MOST_PARAMETERS:
        raise ValueError(
            f"{where}: at most {MOST_PARAMETERS} parameters are possible, got {len(parameters)}"
        )
    for part in parameters:
        if not isinstance(part, str) or not _NAME.fullmatch(part):
            raise ValueError(f"{where}: parameters need names such as 'weight', got {part!r:.80}")
    shapes = tuple(
        (part, _check_sizes(f"{where}: the shape of {part!r}", size))
        for part, size in parameters.items()
    )
    return Bound(layer, where, shape, behind(layer, shape), shapes)


@dataclass(frozen=True)
class Bound:
    """A layer in its place; what the engines call (see _graph.Custom)."""

    layer: CustomLayer
    where: str
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[tuple[str, Shape], ...]

    def first_values(
        self, name: str, seed: int, index: int, dtype: str
    ) -> Iterator[tuple[str, Array]]:
        """The parameters before training of layer number `index`, at the position `name`."""
        for number, (part, shape) in enumerate(self.parameters):
            rng = np.random.default_rng([seed, index, number])
            what = f"{self.where}: the first value of {part!r}"
            given = self.layer.first_value(part, shape, rng)
            value = _check.real_array(what, given, shape=shape, dtype=dtype)
            if not np.isfinite(value).all():
                raise ValueError(f"{what} must be finite")
            yield f"{name}.{part}", value

    def forward(self, x: Array, values: dict[str, Array], training: bool) -> tuple[Array, Any]:
        with quiet():
            result = self.layer.forward(x.reshape(-1, *self.input_shape), values, training)
        y, kept = self._pair("forward", "(y, kept)", result)
        return check_array(self.where, "forward", "y", y, (len(x), *self.output_shape), x), kept

    def backward(
        self, dy: Array, kept: Any, values: dict[str, Array]
    ) -> tuple[Array, dict[str, Array]]:
        with quiet():
            result = self.layer.backward(dy.reshape(-1, *self.output_shape), kept, values)
        dx, gradients = self._pair("backward", "(dx, gradients)", result)
        dx = check_array(self.where, "backward", "dx", dx, (len(dy), *self.input_shape), dy)
        names = [part for part, _ in self.parameters]
        if not isinstance(gradients, Mapping):
            raise TypeError(
                f"{self.where}: backward must return gradients as a dict, got {describe(gradients)}"
            )
        if set(gradients) != set(names):
            raise ValueError(
                f"{self.where}: backward must return gradients of {names}, got {list(gradients)}"
            )
        checked = {}
        for part, shape in self.parameters:
            what = f"the gradient of {part!r}"
            checked[part] = check_array(self.where, "backward", what, gradients[part], shape, dy)
        return dx.reshape(len(dy), -1), checked

    def _pair(self, method: str, wanted: str, result: object) -> tuple[Any, Any]:
        if not isinstance(result, tuple) or len(result) != 2:
            got = f"a tuple of {len(result)}" if isinstance(result, tuple) else describe(result)
            raise TypeError(f"{self.where}: {method} must return {wanted}, got {got}")
        return result
