"""What training changes, and what a pass over a batch finds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._check import Array
from .._graph import Graph
from . import average, clip, constraint, optimizer
from .activation import quiet

Parameters = dict[str, Array]


class Batch(NamedTuple):
    """One pass over some rows: the sums of w l, w and w hit, the gradients, what parameters are
    afterwards that no gradient changes, and what the loss was computed on, None without weight.
    lost_in: the first buffer that is not finite, where the loss is not."""

    loss_sum: float
    weight_sum: float
    hit_sum: float
    gradients: Parameters
    measured: Parameters
    outputs: Array | None = None
    lost_in: int | None = None

    @property
    def loss(self) -> float:
        """The weighted mean loss; 0.0 where the weights sum to zero."""
        return self.loss_sum / self.weight_sum if self.weight_sum else 0.0

    def by_rows(self, n: int) -> Batch:
        """With sums in which it counts as its n rows, whatever these weigh."""
        counts = n / self.weight_sum
        return self._replace(
            loss_sum=self.loss_sum * counts, weight_sum=float(n), hit_sum=self.hit_sum * counts
        )

    def and_then(self, piece: Batch) -> Batch:
        """With another piece of the same batch, which has begun with what this one has measured."""
        return Batch(
            self.loss_sum + piece.loss_sum,
            self.weight_sum + piece.weight_sum,
            self.hit_sum + piece.hit_sum,
            {name: g + piece.gradients[name] for name, g in self.gradients.items()},
            piece.measured,
            _behind(self.outputs, piece.outputs),
            piece.lost_in if self.lost_in is None else self.lost_in,
        )


def first_lost(buffers: list[Array]) -> int | None:
    """The number of the first that is not finite."""
    return next((i for i, rows in enumerate(buffers) if not np.isfinite(rows).all()), None)


def _behind(first: Array | None, then: Array | None) -> Array | None:
    return None if first is None or then is None else np.concatenate([first, then])


class State(NamedTuple):
    """Arrays by slot and name (slot 0: values, the last: their average, where there is one), the
    updates made, and how often the average has taken the weights."""

    slots: tuple[Parameters, ...]
    step: int
    averaged: int = 0

    def updated(self, graph: Graph, batch: Batch, rate: float | None) -> State:
        """After one more update."""
        step = self.step + 1
        slots: tuple[Parameters, ...] = tuple(dict(slot) for slot in self.slots)
        kept = slots[: 1 + graph.optimizer.n_states]
        with quiet():
            for name, g in clip.clip(batch.gradients, graph.optimizer.clip).items():
                value, *rest = (slot[name] for slot in kept)
                own = None if rate is None else rate * graph.factor(name)
                chosen = graph.optimizer_of(name)
                new = optimizer.update(chosen, value, g, tuple(rest), step, own)
                for slot, array in zip(kept, new, strict=True):
                    slot[name] = array
            for name, kind, limit in graph.constraints():
                slots[0][name] = constraint.TABLE[kind](slots[0][name], limit)
        slots[0].update(batch.measured)
        return State(slots, step, self.averaged)

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
