"""Callbacks that set the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import _check
from .._position import from_hex
from .base import Callback
from .monitor import Monitoring, count

if TYPE_CHECKING:
    from ..network import Network
    from .training import Training


def _check_rates(callback: Callback, network: Network) -> None:
    if not hasattr(network.optimizer, "rates"):
        name = type(network.optimizer).__name__
        raise ValueError(f"{type(callback).__name__}: optimizer {name} has no learning rate")


class LearningRateScheduler(Callback):
    """The learning rate of each epoch, by a function of your own.

    schedule: gets the number of epochs that the network has begun before, over its whole life, and
        returns a learning rate >= 0, in place of the optimizer's. (Keras' also gets the rate of the
        epoch before.) Rates should depend on that number alone, so that training goes on with the
        same bits after saving and loading. Those of deltarule.schedules are saved with the network.

    Raises TypeError or ValueError that names the argument.
    """

    def __init__(self, schedule: Callable[[int], float]) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule must be a function, got {type(schedule).__name__}")
        self._schedule = schedule

    def check(self, network: Network, names: tuple[str, ...]) -> None:
        """Raises ValueError where the optimizer has no learning rate."""
        _check_rates(self, network)

    def on_epoch_begin(self, training: Training) -> None:
        """Asks the function."""
        training.set_learning_rate(self._schedule(training.epoch))


class ReduceLROnPlateau(Monitoring):
    """Multiplies the learning rate by a factor when a value has not become better for a while.

    monitor, mode: as for EarlyStopping.
    factor: >= 0 and < 1.
    patience: how many epochs without a better value are borne; with the next one the rate is
        reduced.
    threshold, threshold_mode: how much better a value has to be than the best one to count: by the
        threshold ("abs"), or by that share of the best one ("rel").
    cooldown: for so many epochs after a reduction, none counts.
    min_lr: no rate above becomes smaller. A schedule of the optimizer goes on underneath.

    Names, defaults and what they mean are PyTorch's, but for `monitor` and mode "auto", which are
    Keras', and for `eps`, which is missing. Keras has a patience of one epoch less, an absolute
    `min_delta` of 1e-4, and a cooldown of one epoch less.

    The factor reached is saved with the network, so training goes on with the same bits.
    Raises TypeError or ValueError that names the argument.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        *,
        mode: str = "auto",
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode)
        self._step = _check.fraction("factor", factor)
        self._patience = _check.non_negative_int("patience", patience)
        self._threshold = _check.non_negative_real("threshold", threshold)
        mode = _check.choice("threshold_mode", threshold_mode, ("rel", "abs"))
        self._relative = mode == "rel"
        self._cooldown = _check.non_negative_int("cooldown", cooldown)
        self._least = _check.non_negative_real("min_lr", min_lr)
        self._factor, self._wait, self._cooling = 1.0, 0, 0

    def check(self, network: Network, names: tuple[str, ...]) -> None:
        """Raises ValueError unless there will be such a value, and a learning rate."""
        super().check(network, names)
        _check_rates(self, network)

    def state(self) -> dict[str, Any]:
        """The best value and the factor until now, and the epochs counted."""
        return {
            **super().state(),
            "factor": self._factor.hex(),
            "wait": self._wait,
            "cooling": self._cooling,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Raises TypeError or ValueError for what `state` cannot have returned."""
        super().set_state(state)
        name = "factor of ReduceLROnPlateau"
        factor = from_hex(name, state.get("factor", "0x1p+0"))
        self._factor = _check.non_negative_real(name, factor)
        if factor > 1:
            raise ValueError(f"{name} must be at most 1, got {factor}")
        self._wait, self._cooling = count(self, state, "wait"), count(self, state, "cooling")

    def on_epoch_begin(self, training: Training) -> None:
        """Reduces the rates of the epoch, as much as has been decided."""
        training.scale_learning_rate(self._factor, self._least)

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Counts the epochs without a better value."""
        value, best = values[self._monitor.name], self._best
        by = self._threshold * (abs(best or 0.0) if self._relative else 1.0)
        if self._monitor.better(value, best, by):
            self._best, self._wait = value, 0
        else:
            self._wait += 1
        if self._cooling:
            self._cooling, self._wait = self._cooling - 1, 0
        if self._wait > self._patience:
            self._factor *= self._step
            self._cooling, self._wait = self._cooldown, 0
