"""The base of the callbacks of `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from ..network import Network
    from .monitor import Monitor
    from .training import Training


class Callback:
    """Base of the callbacks of `fit`: write the methods that you need, the others do nothing.

    All of them get a Training. They are called in the order of the list, by the thread that trains,
    between batches. An epoch is one run in C, interrupted some twenty times a second; where one
    callback has `batches = True`, it is interrupted after every batch, which costs small networks
    most of their speed.

    What one raises ends the fit. The network is as after the last whole batch then, or at the end
    of the epoch, which the next fit ends again, so that no callback has missed it.

    What has to survive an interruption, or saving and loading, is what `state` returns. The network
    keeps it: a later fit, whose callbacks with a `state` are of the same classes in the same order,
    goes on with it, unless `stop` has ended the one before.
    """

    batches: ClassVar[bool] = False

    def check(self, network: Network, names: tuple[str, ...]) -> None:
        """Before anything changes: raises ValueError where it cannot work in such a fit. names: of
        the values that there will be for each epoch."""

    def keeps_best(self) -> Monitor | None:
        """By what the best weights are to be told, which are then kept; None: no need to."""
        return None

    def state(self) -> dict[str, Any]:
        """What it has to remember, as JSON has it; finite numbers."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """At the begin of each fit: what `state` returned, or {} to begin afresh. It may come from
        a file that an enemy wrote: TypeError or ValueError for what `state` cannot have returned.
        """

    def on_fit_begin(self, training: Training) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, training: Training) -> None:
        """Before an epoch, and again before what is left of one that was interrupted."""

    def on_slice(self, training: Training) -> None:
        """Some twenty times a second, after a batch."""

    def on_batch_end(self, training: Training) -> None:
        """After every batch, if `batches` is True."""

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """After an epoch and its validation. values: the loss and the metrics, as in history."""

    def on_fit_end(self, training: Training) -> None:
        """At the end, also that by an exception, if `on_fit_begin` has not raised one."""

