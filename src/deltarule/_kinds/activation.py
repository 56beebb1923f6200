"""y = act(x)."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .. import _bounds, _check
from .._bounds import Near, Precision
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class Activation(Operation):
    """One of the activations; alpha is 0 where it has none."""

    kind: str
    alpha: float

    flushes = True

    @property
    def name(self) -> str:
        return self.kind

    @property
    def _argument(self) -> float | None:
        return self.alpha if self.kind in _check._ALPHAS else None

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        y: Array = functions.activation_forward(self.kind, inputs[0], alpha=self._argument)
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        run = functions.activation_backward
        return [run(self.kind, inputs[0], y, dy, alpha=self._argument)], {}

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        return _bounds.activation(p, self.kind, self.alpha, inputs[0], y)

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        return [_bounds.slope(p, self.kind, self.alpha, inputs[0], y, dy)], {}

    def sides(self, inputs: Inputs) -> Array:
        places = _bounds.KINKS.get(self.kind, ()) + _bounds.BENDS.get(self.kind, ())
        return np.concatenate([super().sides(inputs), *(inputs[0] > x for x in places)], axis=1)


def operations(call: Call) -> tuple[Operation, ...]:
    return (Activation(call.activation, call.node.alpha),)
