"""The epochs of one `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _averaged, _check, _engine, _full_batch
from . import metrics as _metrics
from ._engine import F64, Plan, Run
from ._graph import Graph
from .history import History
from .optimizers import FullBatch, Optimizer

if TYPE_CHECKING:
    from ._progress import Progress
    from ._targets import Data
    from .network import Network
    from .performance import Stopwatch

_SLICE = 0.05  # seconds of training between two looks at Ctrl-C and the progress bar
_BATCH_SIZE = 32


def check_trainable(optimizer: Optimizer | FullBatch, graph: Graph) -> None:
    """ValueError where a network cannot be trained in such a way."""
    if isinstance(optimizer, FullBatch):
        _full_batch.check(optimizer, graph)


def rows_of_a_batch(optimizer: Optimizer | FullBatch, batch_size: object, rows: int) -> int:
    """None is the default. ValueError where the optimizer needs all, ImportError where it cannot be
    had."""
    every = isinstance(optimizer, FullBatch)
    if isinstance(optimizer, FullBatch):
        _full_batch.check_installed(optimizer)
    if batch_size is None:
        return rows if every else min(_BATCH_SIZE, rows)
    size = _check.positive_int("batch_size", batch_size)
    if every and size < rows:
        raise ValueError(
            f"batch_size must be None or at least {rows}, as {type(optimizer).__name__} needs all "
            f"{rows} rows at once, got {size}"
        )
    return min(size, rows)


def rows_of_a_piece(optimizer: Optimizer | FullBatch, rows: int) -> int:
    """Of the rows of one update, how many are computed together. ValueError where the optimizer
    makes no steps of one batch."""
    if isinstance(optimizer, FullBatch):
        name = type(optimizer).__name__
        raise ValueError(f"train_on_batch(): {name} needs all rows again and again; use fit()")
    return -(-rows // optimizer.gradient_accumulation_steps)


def learning_rates(net: Network, plan: Plan, n: int) -> F64 | None:
    """Of the next n updates; None: the engine knows it."""
    if isinstance(net.optimizer, FullBatch):
        return None
    return net.optimizer.rates(n, step=plan.step, epoch=net._position.epoch)


class Fit:
    """What the epochs of a fit have in common. The network's position moves with them, whatever
    happens."""

    def __init__(
        self,
        net: Network,
        plan: Plan,
        data: Data,
        validation: Data | None,
        watch: Stopwatch,
        progress: Progress,
    ) -> None:
        self._net, self._plan, self._data = net, plan, data
        self._validation, self._watch, self._progress = validation, watch, progress
        self.history = History()

    def run(self, epochs: int, batch_size: int, shuffle: bool) -> History:
        """So many epochs, or fewer."""
        optimizer: Optimizer | FullBatch = self._net.optimizer
        if isinstance(optimizer, FullBatch):
            problem = _full_batch.Problem(
                self._net, self._plan, self._data, self._watch, self._end_epoch
            )
            self.history.stopped = _full_batch.train(optimizer, problem, epochs)
            return self.history
        for _ in range(epochs):
            self._end_epoch(self._epoch(batch_size, shuffle))
        return self.history

    def _epoch(self, batch_size: int, shuffle: bool) -> Run:
        """The rest of the epoch at the present position; an update is made from several batches
        where the optimizer accumulates their gradients."""
        net, n = self._net, len(self._data[0])
        rows = min(batch_size * net.optimizer.engine.gradient_accumulation_steps, n)
        at = net._position = net._position.start(n, rows, shuffle)
        run = self._plan.train(
            *self._data,
            batch_size=at.batch_size,
            shuffle=at.shuffle,
            seed=net.seed,
            epoch=at.epoch,
            batch=at.batch,
            sums=at.sums,
            rates=learning_rates(net, self._plan, -(-at.rows // at.batch_size)),
            averages=_averaged.takes(self._plan, at.epoch),
            piece=min(batch_size, rows),
        )
        try:
            while not run.advance(_SLICE):
                self._progress.update(self.history.epochs, run)
        finally:
            net._position = at.after(run)
        return run

    def _end_epoch(self, run: _engine.Progress) -> None:
        self._progress.update(self.history.epochs, run)
        metrics = self._net.metrics
        values = _metrics.report(run.sums, metrics)
        if self._validation is not None:
            with self._watch.on("validation"):
                sums = self._net._serving.of(self._plan).evaluate(*self._validation)
                found = _metrics.report(sums, metrics)
            values |= {f"val_{name}": value for name, value in found.items()}
        self.history.append(values)
        self._progress.end_epoch(values)
