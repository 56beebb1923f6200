"""What each kind of node computes in a network, forward and backward."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import _check
from .._check import Array
from .._graph import Node
from . import activation, dense, noise, prelu
from .ledger import Lap

Gradients = dict[str, Array]  # by the name of the parameter in its node


class Mode(Enum):
    """What the nodes run for. Only training does what is random; predicting applies the last
    node's activation also where the loss has that in it."""

    TRAIN = 1
    EVALUATE = 2
    PREDICT = 3


class Call(NamedTuple):
    """A node with what it works with: its parameters, the activation that applies (none at the end
    of a network whose loss has that in it), whether this is training, and the random numbers that
    it has then: seed, number of the node, step."""

    node: Node
    values: Mapping[str, Array]
    activation: str
    training: bool
    stream: tuple[int, int, int]
    lap: Lap


class Kind(Protocol):
    """One kind of node."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, Any]:
        """What it writes, from what it reads; and what `backward` will want to know."""

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: Any, dy: Array
    ) -> tuple[list[Array], Gradients]:
        """The error at each input, from dy, that at the output y; and the gradients."""


class Dense:
    """y = act(x w + b); keeps x w + b where the activation's slope reads that."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, Array | None]:
        z = dense.forward(inputs[0], call.values["weight"], call.values.get("bias"))
        call.lap("products")
        y = activation.forward(call.activation, z, call.node.alpha)
        call.lap("activations")
        return y, z if call.activation in _check.NEED_INPUT else None

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: Array | None, dy: Array
    ) -> tuple[list[Array], Gradients]:
        z = y if kept is None else kept
        dz = activation.backward(call.activation, z, y, dy, call.node.alpha)
        call.lap("activations")
        dx, dw, db = dense.backward(inputs[0], call.values["weight"], dz)
        call.lap("products")
        return [dx], {"weight": dw, "bias": db} if call.node.bias else {"weight": dw}


class Activation:
    """y = act(x)."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, None]:
        y = activation.forward(call.activation, inputs[0], call.node.alpha)
        call.lap("activations")
        return y, None

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: None, dy: Array
    ) -> tuple[list[Array], Gradients]:
        dx = activation.backward(call.activation, inputs[0], y, dy, call.node.alpha)
        call.lap("activations")
        return [dx], {}


class Add:
    """The sum of the inputs, first to last."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, None]:
        y = inputs[0]
        for x in inputs[1:]:
            y = y + x
        call.lap("activations")
        return y, None

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: None, dy: Array
    ) -> tuple[list[Array], Gradients]:
        return [dy] * len(inputs), {}


class Concat:
    """The columns of the inputs side by side."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, None]:
        y = np.concatenate(inputs, axis=1)
        call.lap("activations")
        return y, None

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: None, dy: Array
    ) -> tuple[list[Array], Gradients]:
        ends = np.cumsum([x.shape[1] for x in inputs])
        return [np.ascontiguousarray(part) for part in np.split(dy, ends[:-1], axis=1)], {}


class PReLU:
    """y = x where x > 0, else slope x."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, None]:
        y = prelu.forward(inputs[0], call.values["slope"])
        call.lap("activations")
        return y, None

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: None, dy: Array
    ) -> tuple[list[Array], Gradients]:
        dx, slope = prelu.backward(inputs[0], call.values["slope"], dy)
        call.lap("activations")
        return [dx], {"slope": slope}


class Noise:
    """y = x with noise in training, else x."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, None]:
        y = inputs[0]
        if call.training:
            y = noise.forward(call.node.noise, y, call.node.amount, (*call.stream, 0))
        call.lap("activations")
        return y, None

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: None, dy: Array
    ) -> tuple[list[Array], Gradients]:
        dx = noise.backward(call.node.noise, dy, call.node.amount, (*call.stream, 0))
        call.lap("activations")
        return [dx], {}


TABLE: dict[str, type[Kind]] = {
    "dense": Dense,
    "activation": Activation,
    "add": Add,
    "concat": Concat,
    "noise": Noise,
    "prelu": PReLU,
}
