"""The epochs of one `fit`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from . import _engine, _full_batch
from . import metrics as _metrics
from ._engine import F64, Plan, Run
from ._graph import Graph
from .history import History
from .optimizers import FullBatch, Optimizer
from .sources.samples import Arrays
from .sources.stream import Stream

if TYPE_CHECKING:
    from ._progress import Progress
    from .network import Network
    from .performance import Stopwatch

_SLICE = 0.05  # seconds of training between two looks at Ctrl-C and the progress bar


def check_trainable(optimizer: Optimizer | FullBatch, graph: Graph) -> None:
    """ValueError where a network cannot be trained in such a way."""
    if isinstance(optimizer, FullBatch):
        _full_batch.check(optimizer, graph)


def check_steps(optimizer: Optimizer | FullBatch) -> None:
    """ValueError where it makes no steps of one batch."""
    if isinstance(optimizer, FullBatch):
        name = type(optimizer).__name__
        raise ValueError(f"train_on_batch(): {name} needs all rows again and again; use fit()")


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
        samples: Arrays | Stream,
        validation: Arrays | Stream | None,
        watch: Stopwatch,
        progress: Progress,
    ) -> None:
        self._net, self._plan, self._samples = net, plan, samples
        self._validation, self._watch, self._progress = validation, watch, progress
        self.history = History()

    def run(self, epochs: int) -> History:
        """So many epochs, or fewer."""
        optimizer: Optimizer | FullBatch = self._net.optimizer
        if isinstance(optimizer, FullBatch):
            assert isinstance(self._samples, Arrays)
            data = self._samples.data
            problem = _full_batch.Problem(
                self._net, self._plan, data, self._watch, self._end_epoch
            )
            self.history.stopped = _full_batch.train(optimizer, problem, epochs)
            return self.history
        for _ in range(epochs):
            self._end_epoch(self._epoch())
        return self.history

    def _epoch(self) -> Run:
        """The rest of the epoch at the present position."""
        net, samples = self._net, self._samples
        at = net._position = net._position.start(*samples.way, again=samples.again)
        rates = partial(learning_rates, net, self._plan)
        run = samples.open(self._plan, at, net.seed, rates, self._watch)
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
                found = _metrics.report(self._validation.evaluate(self._plan), metrics)
            values |= {f"val_{name}": value for name, value in found.items()}
        self.history.append(values)
        self._progress.end_epoch(values)
