"""Saving the network while it trains."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import _check
from .monitor import Monitoring

if TYPE_CHECKING:
    from ..network import Network
    from .training import Training


class ModelCheckpoint(Monitoring):
    """Saves the network while it trains, each time as a whole or not at all. Training goes on from
    such a file with the same bits.

    path: of the file, in which {epoch}, the epochs of the network's life, and the names of history
        stand for their values: "net-{epoch:03d}-{val_loss:.4f}.safetensors".
    every: after every so many epochs, counted over the life of the network; 1 unless every_seconds
        is given.
    every_seconds: whenever so many seconds have gone since it was saved, or the fit began, also in
        the middle of an epoch. Then the path may name {epoch} alone.
    save_best_only: only if the value watched is better than ever before.
    monitor, mode: what that value is, as for EarlyStopping.
    keep_previous: what such a file replaces stays as path + ".previous".
    on_error: where the file cannot be written, "raise" OSError, which ends the fit, or "warn"
        (CheckpointWarning) and go on; either way what was there is whole.

    A network whose loss is nan or infinite is not saved. When another callback ends the fit at the
    end of an epoch, that of this epoch is what the fit leaves, with the best weights if they are
    kept.
    Raises TypeError or ValueError that names the argument.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int | None = None,
        every_seconds: float | None = None,
        save_best_only: bool = False,
        monitor: str = "val_loss",
        mode: str = "auto",
        keep_previous: bool = True,
        on_error: str = "raise",
    ) -> None:
        super().__init__(monitor, mode)
        self._path = os.fspath(path)
        if not isinstance(self._path, str):
            raise TypeError(f"path must be a str or os.PathLike, got {type(path).__name__}")
        if every is None and every_seconds is None:
            every = 1
        self._every = None if every is None else _check.positive_int("every", every)
        self._seconds = math.inf
        self._due: float | None = None
        if every_seconds is not None:
            self._seconds = _check.positive_real("every_seconds", every_seconds)
        self._best_only = _check.boolean("save_best_only", save_best_only)
        if self._best_only and every_seconds is not None:
            raise ValueError(
                "every_seconds and save_best_only cannot both be given: what is best shows at the "
                "end of an epoch"
            )
        self._keep = _check.boolean("keep_previous", keep_previous)
        self._on_error = _check.choice("on_error", on_error, ("raise", "warn"))

    def check(self, network: Network, names: tuple[str, ...]) -> None:
        """Raises ValueError unless there will be such a value, and those that the path names."""
        if self._best_only:
            super().check(network, names)
        if self._seconds < math.inf:
            names = ()
        try:
            self._name(0, dict.fromkeys(names, 0.0))
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            known = ", ".join(("epoch", *names))
            raise ValueError(
                f"ModelCheckpoint: path may name {known} in braces, got {self._path!r}: {error!r}"
            ) from None

    def _name(self, epoch: int, values: Mapping[str, float]) -> str:
        return self._path.format(epoch=epoch, **values)

    def _save(self, training: Training, values: Mapping[str, float]) -> None:
        if math.isfinite(training.values["loss"]):
            path = self._name(training.epoch + 1, values)
            training.save(path, keep_previous=self._keep, on_error=self._on_error)

    def on_fit_begin(self, training: Training) -> None:
        """Its time begins."""
        self._due = None

    def on_slice(self, training: Training) -> None:
        """Looks at the clock, and has the network saved. The time of the next one begins when this
        one is written."""
        if self._due is None:
            self._due = training.seconds + self._seconds
        left = self._due - training.seconds
        if left > 0:
            training.look_again_in(left)
        else:
            self._save(training, {})
            self._due = None

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Has the network saved."""
        if self._every is None or (training.epoch + 1) % self._every:
            return
        if self._best_only:
            value = values[self._monitor.name]
            if not self._monitor.better(value, self._best):
                return
            self._best = value
        self._save(training, values)
        self._due = None
