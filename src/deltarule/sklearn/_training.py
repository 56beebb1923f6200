"""Training by the loop of Network.fit, in scikit-learn's order of rows and with its decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import layers
from .._best import Best
from .._fit import Fit, names_of
from .._position import Position
from ..callbacks import Callback, Training
from ..callbacks import together as _callbacks
from ..history import History
from ..optimizers import FullBatch
from ..performance import Stopwatch
from ..sources.base import Way
from ..sources.samples import Arrays
from ._perceptron import Task

Array = npt.NDArray[Any]


@dataclass
class Progress:
    """What a training remembers between calls, beside parameters and what optimizers do."""

    position: Position = field(default_factory=Position)
    callbacks: _callbacks.State = ()
    best: Best | None = None

    def put(self, task: Task) -> None:
        """Into a network."""
        net = task.net
        net._standing, net._callback_states, net._best = self.position, self.callbacks, self.best

    def take(self, task: Task) -> None:
        """Out of it; an epoch that is not done is given up."""
        net, at = task.net, task.net._position
        self.position = Position(at.epoch + (at.batch > 0), damping=at.damping)
        self.callbacks, self.best = net._callback_states, net._best


class _Rows(Arrays):
    """Rows that are shuffled as scikit-learn does, or stay as they are."""

    def __init__(self, mlp: Any, task: Task, batch_size: int) -> None:
        net, n, data = task.net, task.n, task.data
        full = isinstance(net.optimizer, FullBatch)
        rows = min(n, batch_size * net.optimizer.engine.gradient_accumulation_steps)
        way = Way(n, rows, False)
        super().__init__(data, data[0].shape[1:], way, batch_size)
        self._task, self._random_state = task, mlp._random_state
        if mlp.shuffle and not full:
            self.order = np.arange(n)

    def open(self, *args: Any, **kwargs: Any) -> Any:
        if self.order is not None:
            self._random_state.shuffle(self.order)
        self._task.check_batches(self.order, self.way.batch_size)
        return super().open(*args, **kwargs)


class _Decisions(Callback):
    """What scikit-learn does after each epoch. held_out: (X, y, sample_weight) to score on."""

    def __init__(
        self, mlp: Any, task: Task, parameters: list[Array], dtype: np.dtype[Any], held_out: Any
    ) -> None:
        self._mlp, self._task, self._parameters = mlp, task, parameters
        self._rounded, self._held_out = dtype.type, held_out

    def on_epoch_begin(self, training: Training) -> None:
        """Sets the learning rate where scikit-learn has schedules of its own."""
        if self._mlp._tasks is not None:
            self._mlp._tasks.begin_epoch()
        rate = self._task.rate
        if rate is not None:
            training.set_learning_rate(rate)

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Counts, prints, scores, and may end it."""
        mlp, task = self._mlp, self._task
        if "val_loss" in values:
            mlp.validation_loss_curve_.append(values["val_loss"] * task.reported)
        loss = self._rounded(values["loss"] * task.reported)
        if mlp._after_epochs([loss], task, self._parameters, self._held_out):
            gains = mlp._no_improvement_count <= mlp.n_iter_no_change
            training.stop("a callback has ended it" if gains else mlp._no_gain())


def train(
    mlp: Any,
    task: Task,
    parameters: list[Array],
    batch_size: int,
    dtype: np.dtype[Any],
    held_out: Any,
    epochs: int,
) -> str | None:
    """So many epochs, or fewer; then why. dtype: of reported losses. held_out: (X, y,
    sample_weight) with y as it is scored, or None."""
    watch, net = Stopwatch(), task.net
    layers.check_batch(net.layers, batch_size)
    samples, validation = _Rows(mlp, task, batch_size), None
    if held_out is not None:
        X, y, weight = held_out
        rows = task.prepare(X, mlp._encoded(y), weight)
        validation = Arrays(rows, rows[0].shape[1:], Way(0, 0, False))
    names = names_of(net, validation)
    decisions = _Decisions(mlp, task, parameters, dtype, held_out)
    called = (decisions, *_callbacks.of_fit(mlp.callbacks or (), False))
    monitor = _callbacks.check(called, net, names)
    with net._gate.training("fit()"):
        mlp._progress.put(task)
        task.plan.restart_ledger()
        training = Training(net, History(), epochs, names, watch)
        fit = Fit(task.plan, samples, validation, watch, called, monitor, training)
        try:
            return fit.run().stopped
        finally:
            mlp._progress.take(task)
