"""Trainings whose bits are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule._check import ACTIVATIONS
from deltarule.losses import Loss
from deltarule.optimizers import Optimizer

from ..losses import CASES as LOSSES
from ..losses import accuracy, lasts, width
from .common import ADAM, DENSE, LABELS, PLAIN, RULES, SGD, SLOW, Data, calm, data, graph, ready

DEEP = ("identity", "relu", "leaky_relu", "sigmoid", "tanh", "softmax")


@dataclass(frozen=True)
class Case:
    """A training. batch: its size; most leave a partial last one."""

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str | Loss = "mse"
    optimizer: Optimizer = SGD
    n: int = 23
    batch: int = 5
    shuffle: bool = True
    weighted: bool = False
    targets: str = DENSE
    accuracy: str = "none"
    bias: bool = True

    def plan(self, dtype: str) -> Any:
        g = graph(
            self.widths,
            self.activations,
            dtype=dtype,
            loss=self.loss,
            optimizer=self.optimizer,
            accuracy=self.accuracy,
            bias=self.bias,
        )
        return ready(g)

    def data(self, dtype: str, n: int | None = None) -> Data:
        g = self.plan(dtype).graph
        return data(g, n or self.n, targets=self.targets, weighted=self.weighted)

    @property
    def options(self) -> dict[str, Any]:
        return {"batch_size": self.batch, "shuffle": self.shuffle}


CE, BCE = "cross_entropy", "binary_cross_entropy"
# Networks of all shapes, ...
SHAPES = {
    "narrow": Case((3, 5, 2), ("relu", "identity"), accuracy="threshold"),
    "edges-32": Case(
        (31, 32, 33, 3), ("tanh", "sigmoid", "softmax"), CE, ADAM,
        n=45, batch=16, targets=LABELS, accuracy="argmax", weighted=True,
    ),
    "edges-16": Case(
        (15, 16, 17, 4), ("leaky_relu", "relu", "identity"), CE, n=37, batch=16, accuracy="argmax"
    ),
    "edges-64": Case((33, 65, 63, 31), ("tanh", "leaky_relu", "identity"), n=66, batch=33),
    "wide": Case(
        (130, 257, 129, 2), ("relu", "tanh", "sigmoid"), BCE, SGD,
        n=301, batch=150, weighted=True, accuracy="threshold",
    ),
    "wide-adam": Case((129, 127, 5), ("sigmoid", "identity"), "mse", ADAM, n=140, batch=131),
    "one-output": Case((7, 9, 1), ("sigmoid", "sigmoid"), optimizer=PLAIN, accuracy="threshold"),
    "deep": Case((6, 8, 9, 7, 10, 5, 8, 2), (*DEEP, "identity"), BCE, ADAM, shuffle=False),
    "softmax-inside": Case((12, 40, 70, 10), ("softmax", "softmax", "softmax"), weighted=True),
    "no-bias": Case((5, 34, 3), ("leaky_relu", "softmax"), CE, targets=LABELS, bias=False),
    "row-by-row": Case((1, 1, 2), ("tanh", "identity"), n=19, batch=1),
    "one-row": Case((9, 33, 3), ("relu", "softmax"), CE, ADAM, n=1, targets=LABELS),
    "one-batch": Case((20, 18, 3), ("tanh", "identity"), n=50, batch=500, shuffle=False),
    "linear": Case((40, 3), ("identity",), weighted=True, shuffle=False),
}  # fmt: skip
# ... and every activation, loss and rule.
CASES = {
    **SHAPES,
    **{
        activation: Case(
            (9, 35, 18, 3), (activation, calm(activation), "identity"), optimizer=SLOW,
            weighted=True,
        )
        for activation in ACTIVATIONS
        if activation not in DEEP
    },
    **{
        f"{loss!r} {form}": Case(
            (9, 35, 18, width(loss, 3)), ("tanh", "relu", lasts(loss)[0]), loss, SLOW,
            targets=form, accuracy=accuracy(loss), weighted=True,
        )
        for loss, form in LOSSES
    },
    **{
        rule: Case(
            (9, 35, 18, 3), ("tanh", "relu", "softmax"), CE, optimizer, targets=LABELS,
            weighted=True,
        )
        for rule, optimizer in RULES.items()
    },
}  # fmt: skip
