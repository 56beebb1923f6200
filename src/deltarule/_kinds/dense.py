"""y = act(x w + b): a product and an activation."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .. import _bounds, reference
from .._bounds import Near, Precision
from .activation import Activation
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class Product(Operation):
    """x w, or x w + b."""

    bias: bool

    parameters = ("weight", "bias")

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        z: Array = functions.dense_forward(inputs[0], values["weight"], values.get("bias"))
        return z

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        dx, dw, db = functions.dense_backward(inputs[0], values["weight"], y, dy)
        return [dx], {"weight": dw, "bias": db} if self.bias else {"weight": dw}

    def join(
        self, functions: ModuleType, values: Values, dy: Array, before: Array, dx: Array
    ) -> Array:
        """The sums begin with what is there: so does (before, dy) (1; w^T), as 0 + before 1 and
        before 0 are exact."""
        one = np.eye(before.shape[1], dtype=before.dtype)
        rows, columns = np.hstack([before, dy]), np.vstack([one, values["weight"].T])
        joined: Array = functions.dense_forward(rows, columns)
        return joined

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        return _bounds.product(p, inputs[0], values["weight"], values.get("bias"))

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        gradients = {"weight": _bounds.product(p, inputs[0].transposed, dy)}
        if self.bias:
            gradients["bias"] = _bounds.column_sums(p, dy)
        return [_bounds.product(p, dy, values["weight"].transposed)], gradients

    def join_error(
        self, p: Precision, values: NearValues, dy: Near, before: Near, dx: Near
    ) -> Array:
        return _bounds.product(p, dy, values["weight"].transposed, before)

    def rounding(self, p: Precision, inputs: Inputs, values: Values, y: Array) -> Array:
        usual: Array = super().rounding(p, inputs, values, y) / np.sqrt(inputs[0].shape[1])
        return usual

    def reach(self, inputs: Inputs, values: Values, part: str) -> Array:
        if part == "bias":
            return super().reach(inputs, values, part)
        largest = np.abs(inputs[0]).max(axis=0, initial=0)
        return np.broadcast_to(largest[:, None], values[part].shape)

    def moved(
        self, inputs: Inputs, values: Values, y: Array, part: str, element: int, ends: Array
    ) -> Array:
        """Only one column depends on the element: the variants of it, side by side."""
        w, b = values["weight"], values.get("bias")
        row, column = (0, element) if part == "bias" else divmod(element, w.shape[1])
        weights = np.repeat(w[:, [column]], len(ends), axis=1)
        biases = np.repeat(0.0 if b is None else b[column], len(ends))
        (biases if part == "bias" else weights[row])[:] = ends
        moved = np.tile(y, (len(ends), 1, 1))
        moved[:, :, column] = reference.dense_forward(inputs[0], weights, biases).T
        return moved


def operations(call: Call) -> tuple[Operation, ...]:
    return Product(call.node.bias), Activation(call.activation, call.node.alpha)
