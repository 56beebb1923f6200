"""y = x with noise in training, else x."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from .. import _bounds
from .._bounds import Near, Precision
from .activation import Activation
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class Noise(Operation):
    """One of the noises, with the random numbers of one step."""

    kind: str
    amount: float
    seed: int
    layer: int
    step: int

    rowwise = False
    flushes = True

    @property
    def name(self) -> str:
        return self.kind

    @property
    def _stream(self) -> dict[str, Any]:
        return {"seed": self.seed, "layer": self.layer, "step": self.step}

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        y: Array = functions.noise_forward(self.kind, inputs[0], self.amount, **self._stream)
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        return [functions.noise_backward(self.kind, dy, self.amount, **self._stream)], {}

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        return _bounds.noise(p, self.kind, self.amount, inputs[0])

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        return [_bounds.noise_slope(p, self.kind, self.amount, dy)], {}

    def rounding(self, p: Precision, inputs: Inputs, values: Values, y: Array) -> Array:
        """The random numbers have their errors, too, but they are the same every time."""
        return p.eps * np.maximum(np.abs(inputs[0]), np.abs(y))


def operations(call: Call) -> tuple[Operation, ...]:
    if not call.training:
        return (Activation("identity", 0.0),)
    seed, layer, step = call.stream
    return (Noise(call.node.noise, call.node.amount, seed, layer, step),)
