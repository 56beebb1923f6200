"""What is reported of rows: the loss and the metrics of a network.

The engine sums loss and hits, and puts down what the loss of each row was computed on; from that,
the other metrics are computed here, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _engine
from ._engine import Array, Plan, Sums
from ._graph import Graph
from .activations import Activation
from .losses import Loss
from .metrics import Accuracy, Metric, Task
from .metrics.custom import checked

if TYPE_CHECKING:
    from ._targets import Data
    from .network import Network

ROWS = 4096  # a multiple of the rows that the engine takes at once: its sums stay as they are


def check(metrics: Iterable[Metric], loss: Loss, activation: Activation, n_out: int) -> str:
    """How the engine counts hits: "none", "argmax" or "threshold". Raises ValueError where a metric
    says nothing about such outputs."""
    task, counted = Task.of(loss, activation.kind, n_out), False
    for metric in metrics:
        metric.check(task)
        counted |= isinstance(metric, Accuracy)
    return task.decides if counted else "none"


def in_history(metrics: Iterable[Metric]) -> list[Metric]:
    """Those that a history has: their results are numbers."""
    return [metric for metric in metrics if metric.scalar]


def need_outputs(metrics: Iterable[Metric]) -> bool:
    """Whether there are any but those that the engine counts."""
    return any(not isinstance(metric, Accuracy) for metric in metrics)


def counted(sums: Sums, metrics: Iterable[Metric]) -> dict[str, Any]:
    """The loss, and the metrics that the engine counts."""
    loss, weight, hits = sums
    values = {"loss": loss / weight if weight else 0.0}
    here = (metric for metric in metrics if isinstance(metric, Accuracy))
    return values | {metric.name: hits / weight if weight else 0.0 for metric in here}


def _chunks(n: int) -> Iterator[slice]:
    return (slice(first, first + ROWS) for first in range(0, n, ROWS))


class Meter:
    """Measures a network; history: all but what a history cannot hold."""

    def __init__(self, net: Network, graph: Graph, *, history: bool = False) -> None:
        self._metrics = in_history(net.metrics) if history else list(net.metrics)
        self.outputs = need_outputs(self._metrics)  # whether it looks at what rows put out
        self._graph = graph
        self._task = Task.of(net.loss, net._activation.kind, graph.n_out)
        self._functions = _engine.functions(net.backend)

    def room(self, rows: int) -> Array | None:
        """Memory for what so many rows put out; None where nothing wants to know that."""
        if not self.outputs:
            return None
        return np.zeros((rows, self._graph.n_out), self._graph.dtype)

    def evaluate(self, plan: Plan, pieces: Iterable[Data]) -> dict[str, Any]:
        """Of all rows, in one piece or several: {"loss": ..., name: ...}."""
        states, sums = self.start(), (0.0, 0.0, 0.0)
        for x, t, w in pieces:
            for rows in _chunks(len(x)) if self.outputs else [slice(None)]:
                part = x[rows], t[rows], None if w is None else w[rows]
                y = self.room(len(part[0]))
                sums = plan.evaluate(*part, y=y, sums=sums)
                if y is not None:
                    self._update(states, y, *part[1:])
        return self.report(sums, states)

    def after_epoch(self, plan: Plan, data: Data, sums: Sums, y: Array | None) -> dict[str, Any]:
        """Of an epoch of training. y: what each row has put out when it was its turn; None where
        the network is still as it was when these sums were made."""
        if not self.outputs:
            return counted(sums, self._metrics)
        if y is None:
            return self.evaluate(plan, [data])
        states = self.start()
        self.update(states, y, data)
        return self.report(sums, states)

    def update(self, states: dict[Metric, Any], y: Array, data: Data) -> None:
        """Some more rows: what they have put out."""
        _, t, w = data
        for rows in _chunks(len(y)):
            self._update(states, y[rows], t[rows], None if w is None else w[rows])

    def start(self) -> dict[Metric, Any]:
        """States of the metrics before the first row."""
        others = (metric for metric in self._metrics if not isinstance(metric, Accuracy))
        return {metric: metric.start(self._task) for metric in others}

    def _update(self, states: dict[Metric, Any], z: Array, t: Array, w: Array | None) -> None:
        """z: what the loss has been computed on. Rows without weight are left out."""
        weight = np.ones(len(z)) if w is None else w.astype(np.float64)
        counts = weight > 0
        if not counts.all():
            z, t, weight = z[counts], t[counts], weight[counts]
        if not len(z):
            return
        y = self._functions.activation_forward(self._graph.loss.link, z)
        arrays = [array.view() for array in (t, y, weight)]
        for array in arrays:
            array.flags.writeable = False  # several metrics read them, and some keep them
        with np.errstate(all="ignore"):
            for metric, state in states.items():
                states[metric] = metric.update(state, *arrays)

    def report(self, sums: Sums, states: dict[Metric, Any]) -> dict[str, Any]:
        """Of all rows seen."""
        with np.errstate(all="ignore"):
            found = {m.name: checked(m, m.result(state)) for m, state in states.items()}
        found |= counted(sums, self._metrics)
        return {name: found[name] for name in ("loss", *(m.name for m in self._metrics))}
