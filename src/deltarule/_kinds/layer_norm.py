"""Rows normalised."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np

from .. import _norm_bounds
from .._bounds import Near, Precision
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class LayerNorm(Operation):
    """(x - mean) / sqrt(var + eps) w + b, with mean and variance of the row."""

    eps: float

    parameters: ClassVar[tuple[str, ...]] = ("weight", "bias")
    flushes = True
    name = "layer_norm"
    centred = True

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        w, b = values.get("weight"), values.get("bias")
        y: Array = functions.layer_norm_forward(inputs[0], w, b, eps=self.eps)
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        w = values.get("weight")
        dx, dw, db = functions.layer_norm_backward(inputs[0], w, dy, eps=self.eps)
        return [dx], {"weight": dw, "bias": db}

    def _normal(self, p: Precision, inputs: NearInputs) -> _norm_bounds.Normal:
        return _norm_bounds.normal(p, inputs[0], self.eps, 1, self.centred)

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        x = self._normal(p, inputs)
        return _norm_bounds.forward(p, x, values.get("weight"), values.get("bias"))

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        x = self._normal(p, inputs)
        dx, dw, db = _norm_bounds.backward(p, x, values.get("weight"), dy)
        return [dx], {"weight": dw, "bias": db}

    def rounding(self, p: Precision, inputs: Inputs, values: Values, y: Array) -> Array:
        usual: Array = super().rounding(p, inputs, values, y) / np.sqrt(inputs[0].shape[1])
        return usual


@dataclass(frozen=True)
class RMSNorm(LayerNorm):
    """x / sqrt(mean(x^2) + eps) w."""

    parameters = ("weight",)
    name = "rms_norm"
    centred = False

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        y: Array = functions.rms_norm_forward(inputs[0], values.get("weight"), eps=self.eps)
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        w = values.get("weight")
        dx, dw = functions.rms_norm_backward(inputs[0], w, dy, eps=self.eps)
        return [dx], {"weight": dw}


def layer_operations(call: Call) -> tuple[Operation, ...]:
    return (LayerNorm(call.node.eps),)


def rms_operations(call: Call) -> tuple[Operation, ...]:
    return (RMSNorm(call.node.eps),)
