"""The progress bar of `fit`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._spec import describe
from .base import Callback

if TYPE_CHECKING:
    from .training import Training


def wanted(verbose: object) -> bool:
    """Whether to show the bar; "auto" means: when stderr is a terminal."""
    if isinstance(verbose, str) and verbose == "auto":
        return sys.stderr is not None and sys.stderr.isatty()
    if isinstance(verbose, (bool, int)) and verbose in (0, 1):
        return bool(verbose)
    raise ValueError(f"verbose must be 'auto', True or False, got {describe(verbose)}")


class ProgressBar(Callback):
    """A tqdm bar over all batches of a fit, and a line on its speed at the end, on stderr.

    `fit(verbose=True)` is `fit(callbacks=[ProgressBar()])`, and the default, "auto", is that where
    stderr is a terminal.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._values: Mapping[str, float] = {}
        self._epoch = self._before = 0  # the epoch that is shown, and batches before it

    def on_fit_begin(self, training: Training) -> None:
        """Nothing is known of this fit."""
        self._bar, self._values = None, {}
        self._epoch = self._before = 0

    def on_slice(self, training: Training) -> None:
        """Shows how far it has come, and the loss until now."""
        shown = {**self._values, "loss": training.values["loss"]}
        self._show(training, training.history.epochs, training.batch, shown)

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Shows the values of the epoch, from here on."""
        self._values = values
        self._show(training, training.history.epochs - 1, training.batch, values)

    def _show(
        self, training: Training, epoch: int, batch: int, values: Mapping[str, float]
    ) -> None:
        """epoch: of this fit, from 0."""
        if self._bar is None:
            # here, so that quiet fits and importing do not pay for it
            from tqdm import tqdm

            total = training.epochs * training.batches or None  # None: that is not known
            self._bar = tqdm(total=total, unit="batch", file=sys.stderr, dynamic_ncols=True)
        self._bar.set_description(f"epoch {epoch + 1}/{training.epochs}", refresh=False)
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, False)
        if epoch != self._epoch:
            self._epoch, self._before = epoch, self._bar.n
        self._bar.update(self._before + batch - self._bar.n)

    def on_fit_end(self, training: Training) -> None:
        """Closes the bar, and says where the time went if there was no error."""
        if self._bar is not None:
            self._bar.close()
        if training.history.performance is not None:
            print(training.history.performance, file=sys.stderr)
