"""What training changes, and what a pass over a batch finds."""

from __future__ import annotations

from typing import NamedTuple

from .._check import Array
from .._graph import Graph
from . import average
from .activation import quiet

Parameters = dict[str, Array]


class Batch(NamedTuple):
    """One pass over some rows: the sums of w l, w and w hit, the gradients, and what parameters are
    afterwards that no gradient changes."""

    loss_sum: float
    weight_sum: float
    hit_sum: float
    gradients: Parameters
    measured: Parameters

    @property
    def loss(self) -> float:
        """The weighted mean loss; 0.0 where the weights sum to zero."""
        return self.loss_sum / self.weight_sum if self.weight_sum else 0.0


class State(NamedTuple):
    """Arrays by slot and name (slot 0: values, the last: their average, where there is one), the
    updates made, and how often the average has taken the weights."""

    slots: tuple[Parameters, ...]
    step: int
    averaged: int = 0

    def averages(self, graph: Graph, *, updated: bool, ends: bool) -> State:
        """When the average has taken the weights, if it does so after a batch that has made an
        update or not; ends: it is the last of an epoch whose end counts."""
        averaging = graph.optimizer.averaging
        if averaging is None:
            return self
        share = averaging.share(self.averaged, self.step, updated=updated, ends=ends)
        if not share:
            return self
        weights, old = self.slots[0], self.slots[-1]
        with quiet():
            new = {name: average.update(w, old[name], share) for name, w in weights.items()}
        return State((*self.slots[:-1], new), self.step, self.averaged + 1)
