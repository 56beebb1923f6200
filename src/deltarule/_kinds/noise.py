"""y = x with noise in training, else x."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from .. import _bounds
from .._bounds import Near, Precision
from .activation import Activation
from .base import Array, Call, Inputs, NearInputs, NearValues, Operation, Values


@dataclass(frozen=True)
class Noise(Operation):
    """One of the noises, with the random numbers of a seed, a node and a step: each row of a batch
    has its own, so that variants of a batch are computed one by one."""

    kind: str
    amount: float
    stream: tuple[int, int, int]

    rowwise = False
    flushes = True

    @property
    def name(self) -> str:
        return self.kind

    @property
    def _random(self) -> dict[str, int]:
        return dict(zip(("seed", "layer", "step"), self.stream, strict=True))

    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        y: Array = functions.noise_forward(self.kind, inputs[0], self.amount, **self._random)
        return y

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        return [functions.noise_backward(self.kind, dy, self.amount, **self._random)], {}

    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        return _bounds.noise(p, self.kind, self.amount, inputs[0])

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        return [_bounds.noise_slope(p, self.kind, self.amount, dy)], {}


def operations(call: Call) -> tuple[Operation, ...]:
    if not call.training:
        return (Activation("identity", 0.0),)
    return (Noise(call.node.noise, call.node.amount, call.stream),)
