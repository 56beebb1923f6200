"""y = x where x > 0, else slope x."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .. import _bounds
from .._bounds import Near, Precision
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class PReLU(Operation):
    """The slope is learnt: one for all columns, or one for each."""

    parameters = ("slope",)
    flushes = True

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        y: Array = functions.prelu_forward(inputs[0], values["slope"])
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        dx, slope = functions.prelu_backward(inputs[0], values["slope"], dy)
        return [dx], {"slope": slope}

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        x, slope = inputs[0], values["slope"]
        error = x.error * np.maximum(1, slope.size)
        below = np.where(x.value - x.error <= 0, x.size, 0)
        bound: Array = error + below * (slope.error + p.eps * slope.size) + p.least
        return bound

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        x, slope = inputs[0], values["slope"]
        below = x.value - x.error <= 0
        unsure = np.abs(x.value) <= x.error  # on which side of 0 it is
        dx = dy.error * np.maximum(1, slope.size)
        dx = dx + np.where(below, dy.size * (slope.error + p.eps * slope.size), 0)
        dx = dx + np.where(unsure, dy.size * np.abs(1 - slope.value), 0)
        value = np.where(x.value > 0, 0, x.value * dy.value)
        error = np.where(below, x.size * dy.error + x.error * dy.size, 0)
        each = Near(value, error + p.eps * np.abs(value))
        found = _bounds.column_sums(p, each)
        if slope.value.size == 1:
            across = Near(each.value.sum(axis=0)[:, None], found[:, None])
            found = _bounds.column_sums(p, across)
        return [dx + p.tiny], {"slope": found}

    def sides(self, inputs: Inputs) -> Array:
        return np.asarray(inputs[0] > 0)


def operations(call: Call) -> tuple[Operation, ...]:
    return (PReLU(),)
