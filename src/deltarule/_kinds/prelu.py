"""A rectifier whose slope below 0 is learnt."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .._bounds import Near, Precision
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class PReLU(Operation):
    """y = x where x > 0, else slope x; the slope is one number, or one for each column."""

    flushes = True
    name = "prelu"
    parameters = ("slope",)

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
        below = np.maximum(x.error - x.value, 0)  # as far as x may be
        rounding = p.eps * slope.size * below + p.least
        error: Array = _steepest(x, slope) * x.error + slope.error * below + rounding
        return error

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        x, slope = inputs[0], values["slope"]
        either = (np.abs(x.value) <= x.error) & (x.error > 0)
        jump = either * (1 + slope.size)
        change = (x.value <= x.error) * (slope.error + p.eps * slope.size) + jump
        dx = _steepest(x, slope) * dy.error + dy.size * change + p.tiny
        return [dx], {"slope": self._slope_error(p, x, slope, dy)}

    def _slope_error(self, p: Precision, x: Near, slope: Near, dy: Near) -> Array:
        """Of the sum of x dy where x <= 0, over the rows, or over the rows and then the columns."""
        counts = x.value <= x.error
        each = counts * (x.size * dy.error + x.error * dy.size)
        each = each + (np.abs(x.value) <= x.error) * x.size * dy.size
        size = counts * x.size * dy.size
        terms = len(size) + 2 + (0 if slope.value.size == size.shape[1] else size.shape[1])
        each = each + terms * (p.eps * size + p.least)
        axis = 0 if slope.value.size == size.shape[1] else None
        total: Array = np.reshape(np.sum(each, axis=axis), slope.value.shape)
        return total

    def sides(self, inputs: Inputs) -> Array:
        return inputs[0] > 0

    def reach(self, inputs: Inputs, values: Values, part: str) -> Array:
        below = np.maximum(-inputs[0], 0).max(axis=0, initial=0)
        if values[part].size != below.size:
            below = below.max(initial=0)
        return np.broadcast_to(below, values[part].shape)


def _steepest(x: Near, slope: Near) -> Array:
    """The largest slope that there may be."""
    larger = np.maximum(1, slope.size)
    return np.where(x.value > x.error, 1, np.where(x.value < -x.error, slope.size, larger))


def operations(call: Call) -> tuple[Operation, ...]:
    return (PReLU(),)
