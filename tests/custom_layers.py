"""Layers as users write them, for the tests of CustomLayer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import deltarule as dr

Array = np.ndarray


class Swish2(dr.CustomLayer):
    """y = x sigmoid(2 x); no parameters, the shape stays."""

    kind = "swish2"

    def forward(self, x: Array, parameters: Any, training: bool) -> tuple[Array, Any]:
        s = 1 / (1 + np.exp(-2 * x))
        return x * s, (x, s)

    def backward(self, dy: Array, kept: Any, parameters: Any) -> tuple[Array, dict[str, Array]]:
        x, s = kept
        return dy * s * (1 + 2 * x * (1 - s)), {}


@dataclass(frozen=True)
class MyDense(dr.CustomLayer):
    """What Dense is: a matrix and a vector."""

    kind = "my_dense"
    units: int
    trainable: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.units <= 1000:
            raise ValueError(f"units must be 1 to 1000, got {self.units}")

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.units,)

    def parameter_shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"weight": (*input_shape, self.units), "bias": (self.units,)}

    def forward(self, x: Array, parameters: Any, training: bool) -> tuple[Array, Any]:
        return x @ parameters["weight"] + parameters["bias"], x

    def backward(self, dy: Array, kept: Any, parameters: Any) -> tuple[Array, dict[str, Array]]:
        gradients = {"bias": dy.sum(axis=0), "weight": kept.T @ dy}
        return dy @ parameters["weight"].T, gradients


@dataclass(frozen=True)
class Scale(dr.CustomLayer):
    """y = x * scale, from `first` on."""

    kind = "scale"
    first: float = 1.0

    def parameter_shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"scale": input_shape}

    def first_value(self, name: str, shape: tuple[int, ...], rng: Any) -> Array:
        return np.full(shape, self.first)

    def forward(self, x: Array, parameters: Any, training: bool) -> tuple[Array, Any]:
        return x * parameters["scale"], x

    def backward(self, dy: Array, kept: Any, parameters: Any) -> tuple[Array, dict[str, Array]]:
        return dy * parameters["scale"], {"scale": (dy * kept).sum(axis=0)}


class Pairs(dr.CustomLayer):
    """(n, f) becomes (n, 2, f): the numbers and their squares, columns that are no panels."""

    kind = "pairs"

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2, *input_shape)

    def forward(self, x: Array, parameters: Any, training: bool) -> tuple[Array, Any]:
        return np.stack([x, x * x], axis=1), x

    def backward(self, dy: Array, kept: Any, parameters: Any) -> tuple[Array, dict[str, Array]]:
        assert dy.shape == (len(kept), 2, *kept.shape[1:])
        return dy[:, 0] + 2 * kept * dy[:, 1], {}


class Overwrites(dr.CustomLayer):
    """y = x + bias, but it spoils all that it gets, and what it has returned before."""

    kind = "overwrites"
    returned: ClassVar[list[Array]] = []

    def parameter_shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"bias": input_shape}

    def _spoil(self, *arrays: Array) -> None:
        for array in (*self.returned, *arrays):
            array[...] = np.nan
        self.returned.clear()

    def forward(self, x: Array, parameters: Any, training: bool) -> tuple[Array, Any]:
        y = x + parameters["bias"]
        self._spoil(x, parameters["bias"])
        self.returned.append(y)
        return y, None

    def backward(self, dy: Array, kept: Any, parameters: Any) -> tuple[Array, dict[str, Array]]:
        dx, gradient = dy.copy(), dy.sum(axis=0)
        self._spoil(dy, parameters["bias"])
        self.returned.extend([dx, gradient])
        return dx, {"bias": gradient}


class WhileTraining(dr.CustomLayer):
    """Twice as much while training."""

    kind = "while_training"

    def forward(self, x: Array, parameters: Any, training: bool) -> tuple[Array, Any]:
        assert type(training) is bool
        return (2 * x if training else x), None

    def backward(self, dy: Array, kept: Any, parameters: Any) -> tuple[Array, dict[str, Array]]:
        return 2 * dy, {}


@dataclass(frozen=True)
class Does(dr.CustomLayer):
    """Passes everything on, and calls a function of the test: DOES[what](method, its result)."""

    kind = "does"
    what: str

    def _do(self, method: str, result: Any) -> Any:
        return DOES[self.what](method, result)

    def parameter_shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"bias": input_shape}

    def forward(self, x: Array, parameters: Any, training: bool) -> tuple[Array, Any]:
        return self._do("forward", (x + parameters["bias"], None))

    def backward(self, dy: Array, kept: Any, parameters: Any) -> tuple[Array, dict[str, Array]]:
        return self._do("backward", (dy, {"bias": dy.sum(axis=0)}))


DOES: dict[str, Any] = {}

CUSTOM = {
    cls.kind: cls
    for cls in (Swish2, MyDense, Scale, Pairs, Overwrites, WhileTraining, Does)
}


# ---------------------------------------------------------------------------------------- losses
class MyMSE(dr.CustomLoss):
    """What mse is."""

    kind = "my_mse"
    decides = "either"

    def forward(self, y: Array, t: Array) -> Array:
        return ((y - t) ** 2).mean(axis=1)

    def backward(self, y: Array, t: Array) -> Array:
        return 2 * (y - t) / y.dtype.type(y.shape[1])


@dataclass(frozen=True)
class MyCrossEntropy(dr.CustomLoss):
    """What cross_entropy is, of logits / temperature; it spoils what it gets."""

    kind = "my_cross_entropy"
    targets = "labels"
    decides = "argmax"
    temperature: float = 1.0

    def _shares(self, y: Array) -> Array:
        e = np.exp((y - y.max(axis=1, keepdims=True)) / y.dtype.type(self.temperature))
        return e / e.sum(axis=1, keepdims=True)

    def forward(self, y: Array, t: Array) -> Array:
        lost = -np.log(self._shares(y)[np.arange(len(t)), t])
        y[...], t[...] = np.nan, 0
        return lost

    def backward(self, y: Array, t: Array) -> Array:
        dy = self._shares(y)
        dy[np.arange(len(t)), t] -= 1
        y[...], t[...] = np.nan, 0
        return dy / y.dtype.type(self.temperature)


class DoesLoss(MyMSE):
    """DOES["loss"](method, what it should be)."""

    kind = "does_loss"

    def forward(self, y: Array, t: Array) -> Array:
        return DOES["loss"]("forward", super().forward(y, t))

    def backward(self, y: Array, t: Array) -> Array:
        return DOES["loss"]("backward", super().backward(y, t))


CUSTOM_LOSSES = {cls.kind: cls for cls in (MyMSE, MyCrossEntropy, DoesLoss)}
