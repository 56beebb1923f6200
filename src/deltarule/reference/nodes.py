"""What each kind of node computes in a network, forward and backward."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import _check
from .._check import Array
from .._graph import Node
from . import activation, batch_norm, dense, layer_norm, noise, prelu
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
    it has then: seed, number of the node, step, rows of the batch before these."""

    node: Node
    values: Mapping[str, Array]
    activation: str
    training: bool
    stream: tuple[int, int, int, int]
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

    @staticmethod
    def measured(call: Call, inputs: Sequence[Array], kept: Any) -> dict[str, Array]:
        """What its parameters that no gradient changes are after this batch of training."""


class _Unmeasured:
    """A kind without parameters that no gradient changes."""

    @staticmethod
    def measured(call: Call, inputs: Sequence[Array], kept: Any) -> dict[str, Array]:
        return {}


class Dense(_Unmeasured):
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


class Activation(_Unmeasured):
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


class Add(_Unmeasured):
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


class Concat(_Unmeasured):
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


class PReLU(_Unmeasured):
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


class Noise(_Unmeasured):
    """y = x with noise in training, else x."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, None]:
        y = inputs[0]
        if call.training:
            y = noise.forward(call.node.noise, y, call.node.amount, call.stream)
        call.lap("activations")
        return y, None

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: None, dy: Array
    ) -> tuple[list[Array], Gradients]:
        dx = noise.backward(call.node.noise, dy, call.node.amount, call.stream)
        call.lap("activations")
        return [dx], {}


class Custom(_Unmeasured):
    """What users have written: it works on copies, and what it returns is copied."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, Any]:
        assert call.node.custom is not None
        values = {part: value.copy() for part, value in call.values.items()}
        y, kept = call.node.custom.forward(inputs[0].copy(), values, call.training)
        call.lap("outside")
        return y.reshape(len(y), -1).copy(), kept

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: Any, dy: Array
    ) -> tuple[list[Array], Gradients]:
        assert call.node.custom is not None
        values = {part: value.copy() for part, value in call.values.items()}
        dx, gradients = call.node.custom.backward(dy.copy(), kept, values)
        call.lap("outside")
        copies = {part: gradient.copy() for part, gradient in gradients.items()}
        return [dx.reshape(len(dx), -1).copy()], copies


def _present(call: Call, **gradients: Array) -> Gradients:
    return {name: g for name, g in gradients.items() if name in call.values}


class BatchNorm:
    """Training takes the batch's statistics, and running ones follow; everything else takes the
    running ones, and so does training of what is not trainable. Keeps the batch's."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, tuple[Array, Array] | None]:
        values, eps = call.values, call.node.eps
        w, b = values.get("weight"), values.get("bias")
        if call.training and call.node.trainable:
            y, mean, var = batch_norm.forward(inputs[0], w, b, eps)
            kept = mean, var
        else:
            running = values["running_mean"], values["running_var"]
            y, kept = batch_norm.inference(inputs[0], *running, w, b, eps), None
        call.lap("activations")
        return y, kept

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: Any, dy: Array
    ) -> tuple[list[Array], Gradients]:
        values, eps = call.values, call.node.eps
        w = values.get("weight")
        if kept is None:
            dx = batch_norm.inference_backward(values["running_var"], w, dy, eps)
            call.lap("activations")
            return [dx], {}
        dx, dw, db = batch_norm.backward(inputs[0], w, dy, eps)
        call.lap("activations")
        return [dx], _present(call, weight=dw, bias=db)

    @staticmethod
    def measured(call: Call, inputs: Sequence[Array], kept: Any) -> dict[str, Array]:
        if kept is None:
            return {}
        (mean, var), old = kept, call.values
        mean, var = batch_norm.running(
            old["running_mean"], old["running_var"], mean, var, len(inputs[0]), call.node.momentum
        )
        call.lap("optimizer")
        return {"running_mean": mean, "running_var": var}


class LayerNorm(_Unmeasured):
    """Rows normalised."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, None]:
        w, b = call.values.get("weight"), call.values.get("bias")
        y = layer_norm.layer_forward(inputs[0], w, b, call.node.eps)
        call.lap("activations")
        return y, None

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: None, dy: Array
    ) -> tuple[list[Array], Gradients]:
        w = call.values.get("weight")
        dx, dw, db = layer_norm.layer_backward(inputs[0], w, dy, call.node.eps)
        call.lap("activations")
        return [dx], _present(call, weight=dw, bias=db)


class RMSNorm(_Unmeasured):
    """Rows divided by the root of their mean square."""

    @staticmethod
    def forward(call: Call, inputs: Sequence[Array]) -> tuple[Array, None]:
        y = layer_norm.rms_forward(inputs[0], call.values.get("weight"), call.node.eps)
        call.lap("activations")
        return y, None

    @staticmethod
    def backward(
        call: Call, inputs: Sequence[Array], y: Array, kept: None, dy: Array
    ) -> tuple[list[Array], Gradients]:
        w = call.values.get("weight")
        dx, dw = layer_norm.rms_backward(inputs[0], w, dy, call.node.eps)
        call.lap("activations")
        return [dx], _present(call, weight=dw)


TABLE: dict[str, type[Kind]] = {
    "dense": Dense,
    "activation": Activation,
    "add": Add,
    "concat": Concat,
    "noise": Noise,
    "prelu": PReLU,
    "custom": Custom,
    "batch_norm": BatchNorm,
    "layer_norm": LayerNorm,
    "rms_norm": RMSNorm,
}
