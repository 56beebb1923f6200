"""One epoch of training, batch by batch."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._check import Array
from .._check_sparse import Rows, tied

if TYPE_CHECKING:
    from .plan import Plan

Sums = tuple[float, float, float]


class Run:
    """An epoch under way; made by Plan.train."""

    def __init__(
        self,
        plan: Plan,
        data: tuple[Rows, Array, Array | None],
        order: npt.NDArray[np.int64] | None,
        size: int,
        batch: int,
        sums: Sums,
        rates: npt.NDArray[np.float64] | None,
        outputs: Array | None,
        averages: bool,
        piece: int,
    ) -> None:
        self._plan = plan
        self._data, self._ties = data, tied(data[0])
        self._order = order
        self._size = size
        self._outputs = outputs
        self._rates, self._opened_at = rates, plan.step
        self._averages, self._piece = averages, piece
        self._position = batch, (float(sums[0]), float(sums[1]), float(sums[2]))
        self._finite = batch
        self._lost_in: int | None = None

    @property
    def batch(self) -> int:
        """The number of the next batch."""
        return self._position[0]

    @property
    def n_batches(self) -> int:
        """Batches in the epoch."""
        return -(-len(self._data[0]) // self._size)

    @property
    def finite(self) -> int:
        """The first so many batches had a finite sum of losses."""
        return self._finite

    @property
    def lost_in(self) -> int | None:
        """Of the first batch with another: the first buffer with such numbers; None: the loss
        itself, or what weights cost."""
        return self._lost_in

    @property
    def sums(self) -> Sums:
        """The sums of w l, w and w hit over the batches done."""
        return self._position[1]

    def advance(self, budget: float) -> bool:
        """Train whole batches, at least one, until `budget` seconds are over.

        Returns whether the epoch is. With a finite budget the call is over, too, when a batch is
        the first whose loss is not finite. After KeyboardInterrupt or another exception, the plan,
        `batch` and `sums` are as after the last whole batch.
        """
        end = time.perf_counter() + budget
        while self.batch < self.n_batches:
            finite = self._finite == self.batch
            self._one_batch()
            lost = finite and self._finite < self.batch
            if time.perf_counter() >= end or (lost and math.isfinite(end)):
                break
        return self.batch == self.n_batches

    def rewind(self) -> None:
        """To where it began, for another epoch over its arrays, with what they hold by then."""
        self._position, self._finite = (0, (0.0, 0.0, 0.0)), 0
        self._lost_in = None
        self._opened_at = self._plan.step

    def _one_batch(self) -> None:
        number, sums = self._position
        chosen: Any = slice(number * self._size, (number + 1) * self._size)
        if self._order is not None:
            chosen = self._order[chosen]
        self._plan._ledger.start()
        x, t, w = self._data
        x, t, w = x[chosen], t[chosen], None if w is None else w[chosen]
        self._plan._ledger.lap("data")
        rate = None
        if self._rates is not None:
            rate = float(self._rates[min(self._plan.step - self._opened_at, self.n_batches - 1)])
        ends = self._averages and number + 1 == self.n_batches
        done, state = self._plan._train((x, t, w), rate, self._piece, ends)
        if self._outputs is not None and done.outputs is not None:
            self._outputs[chosen] = done.outputs
        position = (
            number + 1,
            (
                sums[0] + done.loss_sum,
                sums[1] + done.weight_sum,
                sums[2] + done.hit_sum,
            ),
        )
        # CPython runs signal handlers only at calls, jumps back and function entries, so none can
        # come between these two stores.
        self._plan._state, self._position = state, position
        if math.isfinite(position[1][0]):
            self._finite = number + 1
        elif self._finite == number:
            self._lost_in = done.lost_in
