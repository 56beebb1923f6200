"""Callbacks that end a fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import _check
from .base import Callback
from .monitor import Monitor, Monitoring, count

if TYPE_CHECKING:
    from ..network import Network
    from .training import Training


class EarlyStopping(Monitoring):
    """Ends the fit when a value has not become better for a while (Prechelt, 1998).

    monitor: a value of history. mode: "min", "max", or "auto": less is better of losses and errors,
        more of everything else.
    patience: for so many epochs.
    min_delta: by how much a value has to be better than the best one to count.
    baseline: a value that has to be beaten, too, for patience to begin anew.
    restore_best_weights: when the fit is ended by a callback, this or another, the network gets the
        weights of the epoch with the best value, by min_delta or less. They are kept apart until
        then, saved with the network, and the next fit goes on from the others if this one is not
        ended: so fit(5) and fit(5) are fit(10). (Keras puts them in place after every fit.)
    start_from_epoch: so many epochs, the first ones, do not count.

    Names and defaults are Keras'. `history.stopped` says why it was.
    Raises TypeError or ValueError that names the argument.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode)
        self._min_delta = _check.non_negative_real("min_delta", min_delta)
        self._patience = _check.non_negative_int("patience", patience)
        self._baseline = None if baseline is None else _check.finite_real("baseline", baseline)
        self._restore = _check.boolean("restore_best_weights", restore_best_weights)
        self._start = _check.non_negative_int("start_from_epoch", start_from_epoch)
        self._seen = self._wait = 0

    def keeps_best(self) -> Monitor | None:
        """By the value that it watches, if they are to be restored."""
        return self._monitor if self._restore else None

    def state(self) -> dict[str, Any]:
        """The best value until now, epochs seen, and epochs since it has become better."""
        return {**super().state(), "seen": self._seen, "wait": self._wait}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Raises TypeError or ValueError for what `state` cannot have returned."""
        super().set_state(state)
        self._seen, self._wait = count(self, state, "seen"), count(self, state, "wait")

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Counts the epochs without a better value."""
        self._seen += 1
        if self._seen <= self._start:
            return
        monitor, value = self._monitor, values[self._monitor.name]
        self._wait += 1
        if monitor.better(value, self._best, self._min_delta):
            self._best = value
            if self._baseline is None or monitor.better(value, self._baseline, self._min_delta):
                self._wait = 0
        elif self._wait >= self._patience and self._seen > 1:
            waited = f"{self._wait} epoch{'' if self._wait == 1 else 's'}"
            better = "a number" if self._best is None else f"better than {self._best:.6g}"
            training.stop(f"{monitor.name} has not been {better} for {waited}")


class TimeBudget(Callback):
    """Ends the fit when its time is over, also in the middle of an epoch, with the best weights of
    all epochs until then.

    seconds: from the call of `fit` on. A batch that has begun is finished. A validation for which
        there is less than half of its time left, as it took the last time, is not begun.
    monitor, mode: what weights are best by, as for EarlyStopping; None: "val_loss" where there is
        validation data, else "loss". Before the first epoch has ended there are none, and the
        network keeps those that it has.
    restore_best_weights: False: the network stays as it is, and the next fit goes on from there
        with the same bits, as after Ctrl-C.

    Raises TypeError or ValueError that names the argument.
    """

    def __init__(
        self,
        seconds: float,
        *,
        monitor: str | None = None,
        mode: str = "auto",
        restore_best_weights: bool = True,
    ) -> None:
        self._monitor = Monitor("loss" if monitor is None else monitor, mode)
        self._chosen, self._mode = monitor is not None, mode
        self._seconds = _check.positive_real("seconds", seconds)
        self._restore = _check.boolean("restore_best_weights", restore_best_weights)
        self._validation = self._trained = 0.0

    def check(self, network: Network, names: tuple[str, ...]) -> None:
        """Raises ValueError unless there will be such a value."""
        if not self._chosen:
            self._monitor = Monitor("val_loss" if "val_loss" in names else "loss", self._mode)
        self._monitor.check(type(self).__name__, names)

    def keeps_best(self) -> Monitor | None:
        """By the value that it watches, if they are to be restored."""
        return self._monitor if self._restore else None

    def on_fit_begin(self, training: Training) -> None:
        """Nothing is known of this fit."""
        self._validation = 0.0

    def on_epoch_begin(self, training: Training) -> None:
        """Looks at the clock."""
        self.on_slice(training)

    def on_slice(self, training: Training) -> None:
        """Looks at the clock."""
        self._trained = training.seconds
        left = self._seconds - self._trained
        at_end = training.batch == training.batches > 0
        if left < self._validation / 2 if at_end else left <= 0:
            end = training.stop if self._restore else training.pause
            end(f"the time of {self._seconds:g} s is over")
        else:
            training.look_again_in(left)

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Sees how long validation takes."""
        self._validation = training.seconds - self._trained


class TerminateOnNaN(Callback):
    """Ends the fit with the first batch whose loss is nan or infinite; `history.stopped` says which
    that was, and which layer was the first to put out such a number. The epoch is not in history.
    The network is as after that batch, or has the best weights, if a callback has had them kept:
    EarlyStopping(restore_best_weights=True). (Keras' has the same name.)"""

    def on_slice(self, training: Training) -> None:
        """Looks at the loss."""
        if training.divergence is not None:
            training.stop(f"the loss is {training.values['loss']} {training.divergence}")
