"""Rows normalised: mean and variance, or the root of their mean square alone."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .. import _norm_bounds
from .._bounds import Near, Precision
from .._norm_bounds import Normal
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class RowNorm(Operation):
    """layer_norm, or rms_norm, which has no bias."""

    kind: str
    eps: float

    parameters = ("weight", "bias")
    flushes = True

    @property
    def name(self) -> str:
        return self.kind

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        own = [values.get(part) for part in self.parameters[: 1 + self._centred]]
        y: Array = getattr(functions, f"{self.kind}_forward")(inputs[0], *own, eps=self.eps)
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        run = getattr(functions, f"{self.kind}_backward")
        dx, *found = run(inputs[0], values.get("weight"), dy, eps=self.eps)
        return [dx], dict(zip(self.parameters, found, strict=False))

    @property
    def _centred(self) -> bool:
        return self.kind == "layer_norm"

    def _normal(self, p: Precision, x: Near) -> Normal:
        return _norm_bounds.normal(p, x, self.eps, 1, self._centred)

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        w, b = values.get("weight"), values.get("bias")
        return _norm_bounds.forward(p, self._normal(p, inputs[0]), w, b)

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        normal = self._normal(p, inputs[0])
        dx, *found = _norm_bounds.backward(p, normal, values.get("weight"), dy)
        return [dx], dict(zip(self.parameters, found, strict=True))

    def rounding(self, p: Precision, inputs: Inputs, values: Values, y: Array) -> Array:
        usual: Array = super().rounding(p, inputs, values, y) / np.sqrt(y.shape[1])
        return usual


def operations(call: Call) -> tuple[Operation, ...]:
    return (RowNorm(call.node.kind, call.node.eps),)
