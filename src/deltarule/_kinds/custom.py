"""What users have written in Python: both engines call it, and nobody knows what rounding does
in it."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .. import reference
from .._bounds import Precision
from .._graph import Custom as Function
from .base import Array, Call, Inputs, Operation, Values


@dataclass(frozen=True)
class Custom(Operation):
    """A layer of a user's own. What it has kept for the way back is computed again."""

    function: Function
    training: bool

    rowwise = False
    bounded = False

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(part for part, _ in self.function.parameters)

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        y, _ = self.function.forward(inputs[0].copy(), _copies(values), self.training)
        rows: Array = y.reshape(len(y), -1).copy()
        return rows

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        _, kept = self.function.forward(inputs[0].copy(), _copies(values), self.training)
        dx, gradients = self.function.backward(dy.copy(), kept, _copies(values))
        return [dx.reshape(len(dx), -1).copy()], _copies(gradients)

    def rounding(self, p: Precision, inputs: Inputs, values: Values, y: Array) -> Array:
        """By trial: what y changes when its input is rounded up or down."""
        signs = np.where(np.arange(inputs[0].size).reshape(inputs[0].shape) % 3, 1, -1)
        moved = self.forward(reference, [inputs[0] * (1 + p.eps * signs)], values)
        usual: Array = np.abs(moved - y) + 4 * p.eps * np.abs(y)
        return usual


def _copies(values: Values) -> dict[str, Array]:
    return {part: value.copy() for part, value in values.items()}


def operations(call: Call) -> tuple[Operation, ...]:
    assert call.node.custom is not None
    return (Custom(call.node.custom, call.training),)
