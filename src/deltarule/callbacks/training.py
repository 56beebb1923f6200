"""What callbacks are handed: a fit under way."""

from __future__ import annotations

import math
import os
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from .. import _check
from .._measure import counted

if TYPE_CHECKING:
    from .._engine import F64
    from .._engine import Progress as _Progress
    from ..history import History
    from ..network import Network
    from ..performance import Stopwatch


class Training:
    """A `fit` under way: what a callback sees of it, and what it may ask for.

    network: what is being trained. Between batches, where callbacks are called, it may predict,
        evaluate, save and be copied; whatever would change it is a RuntimeError.
    history: the epochs of this fit that are done. epochs: how many were asked for.
    names: of the values that there are for each epoch: "loss", "accuracy", "val_loss", ...
    epoch: how many epochs were begun before this one, over the life of the network.
    batch, batches: how many batches of this epoch are done, and how many it has.
    learning_rate: of the first update of this epoch; None where the optimizer has none.
    stopped: why the fit is to end, or None.
    """

    def __init__(
        self,
        network: Network,
        history: History,
        epochs: int,
        names: tuple[str, ...],
        watch: Stopwatch,
    ) -> None:
        self.network, self.history = network, history
        self.epochs, self.names = epochs, names
        self.epoch = network._position.epoch
        self.learning_rate: float | None = None
        self.stopped: str | None = None
        self._watch, self._paused = watch, False
        self._run: _Progress | None = None
        self._rate: float | None = None
        self._factors: list[tuple[float, float]] | None = None  # None: rates are settled
        self._settled: list[tuple[float, float]] = []
        self._next_look = math.inf
        self._checkpoints: dict[str, tuple[bool, str]] = {}

    # ------------------------------------------------------------------------------ what is seen
    @property
    def batch(self) -> int:
        """Batches of this epoch that are done."""
        return 0 if self._run is None else self._run.batch

    @property
    def batches(self) -> int:
        """Batches of this epoch; 0 before the first one has begun, or where only its end shows."""
        return (self._run and self._run.n_batches) or 0

    @property
    def finite(self) -> int:
        """The first so many batches of this epoch had a loss that is a number."""
        return 0 if self._run is None else self._run.finite

    @property
    def values(self) -> dict[str, float]:
        """The loss and the accuracy, if that is a metric, over the batches of this epoch that are
        done."""
        sums = (0.0, 0.0, 0.0) if self._run is None else self._run.sums
        return counted(sums, self.network.metrics)

    @property
    def rows(self) -> int:
        """Samples in all batches of this fit until now."""
        plan = self.network._plan
        return 0 if plan is None else self._watch.rows(plan)

    @property
    def seconds(self) -> float:
        """Since `fit` was called."""
        return perf_counter() - self._watch.begun

    # -------------------------------------------------------------------------- what is asked for
    def stop(self, reason: str) -> None:
        """Ends the fit after this batch, or this epoch. Training is over then: the best weights are
        put in place if they were kept, an epoch that is not done is given up, and callbacks begin
        afresh with the next fit. The first reason counts."""
        self.stopped = self.stopped or reason

    def pause(self, reason: str) -> None:
        """Ends the fit as `stop` does, but as if it had been interrupted: the next one goes on from
        here with the same bits."""
        if self.stopped is None:
            self.stopped, self._paused = reason, True

    def set_learning_rate(self, rate: float) -> None:
        """The learning rate of the epoch about to begin, in place of the optimizer's.

        Raises ValueError unless it is finite and >= 0, or where the optimizer has none;
        RuntimeError anywhere but in `on_epoch_begin`.
        """
        self._settable()
        self._rate = _check.non_negative_real("rate", rate)

    def scale_learning_rate(self, factor: float, least: float = 0.0) -> None:
        """Multiplies the learning rates of the epoch about to begin by a factor >= 0, though none
        that is larger becomes smaller than `least`. Errors as for `set_learning_rate`."""
        self._settable().append(
            (
                _check.non_negative_real("factor", factor),
                _check.non_negative_real("least", least),
            )
        )

    def _settable(self) -> list[tuple[float, float]]:
        optimizer = self.network.optimizer
        if not hasattr(optimizer, "rates"):
            raise ValueError(f"optimizer {type(optimizer).__name__} has no learning rate")
        if self._factors is None:
            raise RuntimeError("learning rates are settled when an epoch begins: on_epoch_begin")
        return self._factors

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        keep_previous: bool = False,
        on_error: str = "raise",
    ) -> None:
        """Saves the network as soon as all callbacks have seen this batch, or the end of this
        epoch, so that training goes on from the file with the same bits (`network.save` would save
        what has not been seen yet, too, and do it again). Where one of them ends the fit, it saves
        what that leaves.

        keep_previous: what was there stays as path + ".previous". on_error: "raise" the OSError of
        a file that cannot be written, or "warn" of it and go on.
        """
        _check.choice("on_error", on_error, ("raise", "warn"))
        keep_previous = _check.boolean("keep_previous", keep_previous)
        self._checkpoints[os.fspath(path)] = keep_previous, on_error

    def look_again_in(self, seconds: float) -> None:
        """Asks for `on_slice` to be called after so many seconds at the latest."""
        self._next_look = min(self._next_look, perf_counter() + seconds)

    # ------------------------------------------------------------------------------- by the loop
    def _begin_epoch(self) -> None:
        self.epoch, self._run = self.network._position.epoch, None
        self._rate, self._factors, self._checkpoints = None, [], {}

    def _settle_rates(self, rates: F64 | None, n: int) -> F64 | None:
        """The rates of the next n updates, made of those of the optimizer; None: the engine
        knows."""
        first = self._factors is not None
        if self._factors is not None:
            self._settled, self._factors = self._factors, None
        factors = self._settled
        number = getattr(self.network.optimizer, "learning_rate", None)
        if self._rate is not None or (factors and rates is None):
            rates = np.full(n, number if self._rate is None else self._rate, np.float64)
        for factor, least in factors:
            assert rates is not None
            rates = np.maximum(rates * factor, np.minimum(rates, least))
        if first:
            self.learning_rate = number if rates is None else float(rates[0])
        return rates

    def _slice(self, most: float) -> float:
        """How long to train now, at most so many seconds."""
        seconds = min(most, max(0.0, self._next_look - perf_counter()))
        self._next_look = math.inf
        return seconds


