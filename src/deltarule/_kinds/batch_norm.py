"""Columns normalised: by the batch in training, by running statistics everywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .. import _norm_bounds
from .._bounds import Near, Precision
from ..reference import batch_norm
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class BatchNorm(Operation):
    """(x - mean) / sqrt(var + eps) w + b, with mean and variance of the batch."""

    eps: float
    momentum: float

    parameters = ("weight", "bias")
    rowwise = False
    flushes = True
    name = "batch_norm"

    def _statistics(
        self, functions: ModuleType, inputs: Inputs, values: Values
    ) -> tuple[Array, Array, Array]:
        w, b = values.get("weight"), values.get("bias")
        y, mean, var = functions.batch_norm_forward(inputs[0], w, b, eps=self.eps)
        return y, mean, var

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        return self._statistics(functions, inputs, values)[0]

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        w = values.get("weight")
        dx, dw, db = functions.batch_norm_backward(inputs[0], w, dy, eps=self.eps)
        return [dx], {"weight": dw, "bias": db}

    def after(self, functions: ModuleType, inputs: Inputs, values: Values) -> dict[str, Array]:
        _, mean, var = self._statistics(functions, inputs, values)
        old, how = (values["running_mean"], values["running_var"]), {"momentum": self.momentum}
        new = functions.batch_norm_running(*old, mean, var, n=len(inputs[0]), **how)
        return dict(zip(("running_mean", "running_var"), new, strict=True))

    def _normal(self, p: Precision, inputs: NearInputs) -> _norm_bounds.Normal:
        return _norm_bounds.normal(p, inputs[0], self.eps, 0)

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

    def after_error(
        self, p: Precision, inputs: NearInputs, values: NearValues
    ) -> dict[str, Array]:
        x, n = self._normal(p, inputs), len(inputs[0].value)
        unbiased = n / max(n - 1, 1)
        new = {
            "running_mean": Near(x.mean.value[0], x.mean.error[0]),
            "running_var": Near(x.var.value[0] * unbiased, x.var.error[0] * unbiased),
        }
        share = self.momentum if n > 1 else 0.0
        return {part: _norm_bounds.running(p, values[part], new[part], share) for part in new}

    def rounding(self, p: Precision, inputs: Inputs, values: Values, y: Array) -> Array:
        usual: Array = super().rounding(p, inputs, values, y) / np.sqrt(len(inputs[0]))
        return usual


@dataclass(frozen=True)
class GivenNorm(Operation):
    """The same with running mean and variance."""

    eps: float

    parameters = ("weight", "bias")
    flushes = True
    name = "running statistics"

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        mean, var = values["running_mean"], values["running_var"]
        w, b = values.get("weight"), values.get("bias")
        y: Array = functions.batch_norm_inference(inputs[0], mean, var, w, b, eps=self.eps)
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        """Of a layer that does not learn. Two products: numpy's and C's are the same."""
        w, var = values.get("weight"), values["running_var"]
        return [batch_norm.inference_backward(var, w, dy, self.eps)], {}

    def _normal(self, p: Precision, inputs: NearInputs, values: NearValues) -> _norm_bounds.Normal:
        given = values["running_mean"], values["running_var"]
        return _norm_bounds.given(p, inputs[0], *given, self.eps)

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        x = self._normal(p, inputs, values)
        return _norm_bounds.forward(p, x, values.get("weight"), values.get("bias"))

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        x = self._normal(p, inputs, values)
        return [_norm_bounds.given_backward(p, x, values.get("weight"), dy)], {}


def operations(call: Call) -> tuple[Operation, ...]:
    node = call.node
    if call.training and node.trainable:
        return (BatchNorm(node.eps, node.momentum),)
    return (GivenNorm(node.eps),)
