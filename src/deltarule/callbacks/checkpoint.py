"""Saving the network while it trains."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import _check, _check_names
from .monitor import Monitoring

if TYPE_CHECKING:
    from ..network import Network
    from .training import Training


class ModelCheckpoint(Monitoring):
    """Saves the network at the end of epochs, each time as a whole or not at all. Training goes on
    from such a file with the same bits.

    path: of the file, in which {epoch}, the epochs of the network's life, and the names of history
        stand for their values: "net-{epoch:03d}-{val_loss:.4f}.safetensors".
    every: after every so many epochs, counted over the life of the network.
    save_best_only: only if the value watched is better than ever before.
    monitor, mode: what that value is, as for EarlyStopping.

    Raises TypeError or ValueError that names the argument; `fit` raises OSError where the file
    cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        save_best_only: bool = False,
        monitor: str = "val_loss",
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode)
        self._path = _check_names.path("path", path)
        self._every = _check.positive_int("every", every)
        self._best_only = _check.boolean("save_best_only", save_best_only)

    def check(self, network: Network, names: tuple[str, ...]) -> None:
        """Raises ValueError unless there will be such a value, and those that the path names."""
        if self._best_only:
            super().check(network, names)
        try:
            self._name(0, dict.fromkeys(names, 0.0))
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            known = ", ".join(("epoch", *names))
            raise ValueError(
                f"ModelCheckpoint: path may name {known} in braces, got {self._path!r}: {error!r}"
            ) from None

    def _name(self, epoch: int, values: Mapping[str, float]) -> str:
        return self._path.format(epoch=epoch, **values)

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Has the network saved."""
        epochs = training.epoch + 1
        if epochs % self._every:
            return
        if self._best_only:
            value = values[self._monitor.name]
            if not self._monitor.better(value, self._best):
                return
            self._best = value
        training.save(self._name(epochs, values))
