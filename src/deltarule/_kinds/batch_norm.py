"""Columns normalised: training by the statistics of the batch, everything else by running ones."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .. import _norm_bounds
from .._bounds import Near, Precision
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values

RUNNING = ("running_mean", "running_var")


@dataclass(frozen=True)
class BatchNorm(Operation):
    """By the statistics of the batch, which the running ones follow."""

    eps: float
    momentum: float

    name = "batch_norm"
    parameters = ("weight", "bias")
    rowwise = False
    flushes = True

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        w, b = values.get("weight"), values.get("bias")
        y: Array = functions.batch_norm_forward(inputs[0], w, b, eps=self.eps)[0]
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        w = values.get("weight")
        dx, *found = functions.batch_norm_backward(inputs[0], w, dy, eps=self.eps)
        return [dx], dict(zip(self.parameters, found, strict=True))

    def after(self, functions: ModuleType, inputs: Inputs, values: Values) -> dict[str, Array]:
        _, mean, var = functions.batch_norm_forward(inputs[0], eps=self.eps)
        old = (values[part] for part in RUNNING)
        new = functions.batch_norm_running(
            *old, mean, var, n=len(inputs[0]), momentum=self.momentum
        )
        return dict(zip(RUNNING, new, strict=True))

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        normal = _norm_bounds.normal(p, inputs[0], self.eps, 0)
        return _norm_bounds.forward(p, normal, values.get("weight"), values.get("bias"))

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        normal = _norm_bounds.normal(p, inputs[0], self.eps, 0)
        dx, *found = _norm_bounds.backward(p, normal, values.get("weight"), dy)
        return [dx], dict(zip(self.parameters, found, strict=True))

    def after_error(
        self, p: Precision, inputs: NearInputs, values: NearValues
    ) -> dict[str, Array]:
        n = len(inputs[0].value)
        if n < 2:
            return {part: values[part].error for part in RUNNING}
        normal = _norm_bounds.normal(p, inputs[0], self.eps, 0)
        mean, var = (Near(near.value[0], near.error[0]) for near in (normal.mean, normal.var))
        unbiased = Near(var.value * n / (n - 1), var.error * n / (n - 1))
        return {
            part: _norm_bounds.running(p, values[part], new, self.momentum)
            for part, new in zip(RUNNING, (mean, unbiased), strict=True)
        }

    def rounding(self, p: Precision, inputs: Inputs, values: Values, y: Array) -> Array:
        usual: Array = super().rounding(p, inputs, values, y) / np.sqrt(len(y))
        return usual


@dataclass(frozen=True)
class Inference(Operation):
    """By the running statistics, which stay."""

    eps: float

    name = "batch_norm_inference"
    flushes = True

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        running = (values[part] for part in RUNNING)
        w, b = values.get("weight"), values.get("bias")
        y: Array = functions.batch_norm_inference(inputs[0], *running, w, b, eps=self.eps)
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        """dy scaled as x was: y without a mean and a bias, and flushed."""
        var, w = values["running_var"], values.get("weight")
        dx = functions.batch_norm_inference(dy, np.zeros_like(var), var, w, eps=self.eps)
        return [functions.activation_backward("identity", dx, dx, dx)], {}

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        normal = self._normal(p, inputs[0], values)
        return _norm_bounds.forward(p, normal, values.get("weight"), values.get("bias"))

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        normal = self._normal(p, inputs[0], values)
        return [_norm_bounds.given_backward(p, normal, values.get("weight"), dy)], {}

    def _normal(self, p: Precision, x: Near, values: NearValues) -> _norm_bounds.Normal:
        mean, var = (values[part] for part in RUNNING)
        return _norm_bounds.given(p, x, mean, var, self.eps)


def operations(call: Call) -> tuple[Operation, ...]:
    if call.training and call.node.trainable:
        return (BatchNorm(call.node.eps, call.node.momentum),)
    return (Inference(call.node.eps),)
