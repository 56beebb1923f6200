"""y = x where x > 0, else slope x, with a slope that is learnt."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .. import _weight_bounds
from .._bounds import Near, Precision
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class PReLU(Operation):
    """One slope, or one for each column."""

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
        return _weight_bounds.prelu(p, inputs[0], values["slope"], y)

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        dx, slope = _weight_bounds.prelu_slope(p, inputs[0], values["slope"], dy)
        return [dx], {"slope": slope}

    def sides(self, inputs: Inputs) -> Array:
        return inputs[0] > 0

    def reach(self, inputs: Inputs, values: Values, part: str) -> Array:
        largest = np.maximum(-inputs[0], 0)
        return np.broadcast_to(largest.max(initial=0), values[part].shape)


def operations(call: Call) -> tuple[Operation, ...]:
    return (PReLU(),)
