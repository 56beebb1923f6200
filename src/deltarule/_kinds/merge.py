"""Several buffers become one: their sum, or their columns side by side. numpy's + and C's are the
same, so either backend's is."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .._bounds import Near, Precision
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class Add(Operation):
    """The sum of the inputs, first to last."""

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        return functools.reduce(operator.add, inputs)

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        return [dy] * len(inputs), {}

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        size = np.sum([x.size for x in inputs], axis=0)
        error: Array = np.sum([x.error for x in inputs], axis=0) + len(inputs) * p.eps * size
        return error

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        return [dy.error] * len(inputs), {}


@dataclass(frozen=True)
class Concat(Operation):
    """The columns of the inputs side by side."""

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        return np.concatenate(inputs, axis=1)

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        return _columns(dy, [x.shape[1] for x in inputs]), {}

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        return np.concatenate([x.error for x in inputs], axis=1)

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        return _columns(dy.error, [x.value.shape[1] for x in inputs]), {}


def _columns(a: Array, widths: list[int]) -> list[Array]:
    """The columns of each input."""
    return [np.ascontiguousarray(part) for part in np.split(a, np.cumsum(widths)[:-1], axis=1)]


def add_operations(call: Call) -> tuple[Operation, ...]:
    return (Add(),)


def concat_operations(call: Call) -> tuple[Operation, ...]:
    return (Concat(),)
