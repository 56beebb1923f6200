"""What all metrics have in common, and what they know of the outputs that they judge."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._check import Array
from .._spec import Spec
from ..losses import Loss

F64 = npt.NDArray[np.float64]

_CHANCES = ("softmax", "sigmoid")


@dataclass(frozen=True)
class Task:
    """What outputs y_pred (n, n_out) and targets y_true stand for.

    decides: how they stand for a class. "argmax": the largest output is the class; y_true is labels
        (n,), or (n, n_out) with the largest at the class. "threshold": each output is a question of
        its own, yes above `half`; y_true is (n, n_out), yes above 1/2. "": they are numbers, and
        y_true is (n, n_out).
    chances: whether outputs are probabilities. labels: whether y_true may be labels.
    per_target: outputs for each target. loss: the name of the loss, for messages.
    """

    decides: str
    n_out: int
    half: float = 0.5
    chances: bool = False
    labels: bool = False
    per_target: int = 1
    loss: str = ""

    @classmethod
    def of(cls, loss: Loss, activation: str, n_out: int) -> Task:
        """That of a network with this loss, which ends with this activation."""
        decides, half = loss.decides, loss.half
        if decides == "either":
            decides = "threshold" if n_out == 1 else "argmax"
        if loss.link in _CHANCES:
            half = 0.5
        chances = loss.link in _CHANCES or activation in _CHANCES
        return cls(decides, n_out, half, chances, loss.takes(True), loss.per_target, loss.kind)

    @property
    def n_classes(self) -> int:
        """0 for numbers, and for questions of their own (one alone is one of two classes)."""
        if self.decides == "argmax":
            return self.n_out
        return 2 if self.decides == "threshold" and self.n_out == 1 else 0


@dataclass(frozen=True, repr=False)
class Metric(Spec):
    """Base of the metrics, which are computed from rows that come a few thousand at a time:

        state = metric.start(task)
        for y_true, y_pred, weight in ...:
            state = metric.update(state, y_true, y_pred, weight)
        metric.result(state)
    """

    @property
    def name(self) -> str:
        """What it is called in results: its kind, and what it is made with where that matters."""
        return self.kind

    @property
    def scalar(self) -> bool:
        """Whether the result is one number; an array is left out of a history."""
        return True

    def check(self, task: Task) -> None:
        """Raises ValueError where it says nothing about such outputs."""

    @abstractmethod
    def start(self, task: Task) -> Any:
        """The state before the first rows."""

    @abstractmethod
    def update(self, state: Any, y_true: Array, y_pred: Array, weight: F64) -> Any:
        """The state after some more rows: outputs y_pred (n, n_out), targets y_true (see Task) and
        weights (n,), all above 0. The old state is void."""

    @abstractmethod
    def result(self, state: Any) -> Any:
        """A float, or an array where it is not `scalar`; nan where it is not defined."""


class Sums(NamedTuple):
    """What has been added up over the rows; None before the first."""

    task: Task
    values: F64 | None = None


@dataclass(frozen=True, repr=False)
class Summed(Metric):
    """A metric that is a function of sums over the rows."""

    def start(self, task: Task) -> Sums:
        self.check(task)
        return Sums(task)

    def update(self, state: Sums, y_true: Array, y_pred: Array, weight: F64) -> Sums:
        more = self._sums(state.task, y_true, y_pred, weight)
        return Sums(state.task, more if state.values is None else state.values + more)

    def result(self, state: Sums) -> Any:
        if state.values is None:
            return float("nan")
        return self._value(state.task, state.values)

    @abstractmethod
    def _sums(self, task: Task, t: Array, y: Array, w: F64) -> F64: ...

    @abstractmethod
    def _value(self, task: Task, sums: F64) -> Any: ...


def need_classes(metric: Metric, task: Task) -> None:
    """Raises ValueError where outputs stand for no classes."""
    if not task.decides:
        raise ValueError(f"metric {metric.kind!r} needs classes, and loss {task.loss!r} has none")


def classes(task: Task, t: Array, y: Array) -> tuple[Array, Array]:
    """The true and the predicted class of each row, where there are `n_classes`."""
    if task.decides == "argmax":
        return (t if t.ndim == 1 else t.argmax(axis=1)), y.argmax(axis=1)
    return (t[:, 0] > 0.5).astype(np.int64), (y[:, 0] > task.half).astype(np.int64)


def weighted_mean(values: F64, weights: F64) -> float:
    """Where nothing weighs anything, the plain one."""
    total = weights.sum()
    return float((values * weights).sum() / total if total else values.mean())
