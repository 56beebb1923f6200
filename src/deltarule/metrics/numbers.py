"""How far predicted numbers are off: y outputs (n, n_out), t targets, d = y - t."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._check import Array
from .base import F64, Metric, Summed, Task


def need_numbers(metric: Metric, task: Task) -> None:
    """Raises ValueError unless each output has a number for its target."""
    if task.labels:
        raise ValueError(
            f"metric {metric.kind!r} needs numbers, and loss {task.loss!r} has classes"
        )
    if task.per_target > 1:
        raise ValueError(
            f"metric {metric.kind!r} needs one output for each target, and loss {task.loss!r} has "
            f"{task.per_target}"
        )


@dataclass(frozen=True, repr=False)
class _Error(Summed):
    """The mean over the outputs of the weighted mean of what each is off."""


    def check(self, task: Task) -> None:
        need_numbers(self, task)

    def _sums(self, task: Task, t: Array, y: Array, w: F64) -> F64:
        return np.append(w @ self._off(y.astype(np.float64) - t), w.sum())

    def _value(self, task: Task, sums: F64) -> Any:
        return (sums[:-1] / sums[-1]).mean()

    def _off(self, d: F64) -> F64:
        return np.square(d)


@dataclass(frozen=True, repr=False)
class MSE(_Error):
    """The mean of d^2, as sklearn.metrics.mean_squared_error."""

    kind: ClassVar[str] = "mse"


@dataclass(frozen=True, repr=False)
class RMSE(_Error):
    """The root of the mean of d^2 of each output, and the mean of these, as
    sklearn.metrics.root_mean_squared_error."""

    kind: ClassVar[str] = "rmse"

    def _value(self, task: Task, sums: F64) -> Any:
        return np.sqrt(sums[:-1] / sums[-1]).mean()


@dataclass(frozen=True, repr=False)
class MAE(_Error):
    """The mean of |d|, as sklearn.metrics.mean_absolute_error."""

    kind: ClassVar[str] = "mae"

    def _off(self, d: F64) -> F64:
        return np.abs(d)


class _Moments(NamedTuple):
    """Of targets: how many rows, their weight, mean and sum of w (t - mean)^2, by output; and the
    sum of w d^2."""

    rows: int
    weight: float
    mean: F64
    around: F64
    off: F64


@dataclass(frozen=True, repr=False)
class R2(Metric):
    """1 - (sum of w d^2) / (sum of w (t - mean)^2), the mean over the outputs, as
    sklearn.metrics.r2_score: where all targets of an output are equal, it counts 1 if the outputs
    are, too, else 0; of a single sample it is nan.

    Mean and squares of chunks of rows are merged as by Chan, Golub and LeVeque (1979), so that
    nothing is lost where targets are far from 0.
    """

    kind: ClassVar[str] = "r2"

    def check(self, task: Task) -> None:
        need_numbers(self, task)

    def start(self, task: Task) -> _Moments:
        self.check(task)
        zeros = np.zeros(task.n_out)
        return _Moments(0, 0.0, zeros, zeros, zeros)

    def update(self, state: _Moments, y_true: Array, y_pred: Array, weight: F64) -> _Moments:
        if not len(y_true):
            return state
        t, total = y_true.astype(np.float64), weight.sum()
        known = state.mean if state.rows else t[0]
        t_ = t - known  # so that equal targets have no variance, whatever they are
        shift = weight @ t_ / total
        both = state.weight + total
        return _Moments(
            state.rows + len(t),
            both,
            known + shift * (total / both),
            state.around + weight @ np.square(t_ - shift)
            + np.square(shift) * (state.weight * total / both),
            state.off + weight @ np.square(y_pred - t),
        )

    def result(self, state: _Moments) -> float:
        if state.rows < 2:
            return float("nan")
        defined = state.around != 0
        share = state.off / np.where(defined, state.around, 1.0)
        each = np.where(defined, 1 - share, (state.off == 0).astype(np.float64))
        return float(each.mean())
