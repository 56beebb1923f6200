"""The progress bar of `fit`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .._spec import describe
from .base import Callback

if TYPE_CHECKING:
    from .training import Training

# without the number of batches: in 80 columns, values are what there has to be place for
_FORMAT = "{l_bar}{bar}| [{elapsed}<{remaining}{postfix}]"


def wanted(verbose: object) -> bool:
    """Whether to show the bar; "auto" means: when stderr is a terminal."""
    if isinstance(verbose, str) and verbose == "auto":
        return getattr(sys.stderr, "isatty", bool)()  # what stands in for it may lack that
    if isinstance(verbose, (bool, int)) and verbose in (0, 1):
        return bool(verbose)
    raise ValueError(f"verbose must be 'auto', True or False, got {describe(verbose)}")


@cache
def bar_class() -> Any:
    """tqdm, but for what it does to a process: its lock would settle the start method of
    multiprocessing for good, and its monitor is a thread that stays."""
    from tqdm import tqdm  # here, so that quiet fits and importing do not pay for it

    own = {} if hasattr(tqdm, "_lock") else {"_lock": threading.RLock()}
    return type("Bar", (tqdm,), {"monitor_interval": 0, **own})


class ProgressBar(Callback):
    """A tqdm bar over all batches of a fit, on stderr: how far it has come, the time since its
    begin and the time left, rows per second without validation, the loss and the metrics until now,
    and what validation gave after the last epoch. Then a line on its speed, and one on why it ended
    early if it did.

    `fit(verbose=True)` is `fit(callbacks=[ProgressBar()])`, and the default, "auto", is that where
    stderr is a terminal. Where there is no stderr it shows nothing.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._bar: Any = None
        self._epoch = self._before = 0  # the epoch that is shown, and the batches before it
        self._seconds = self._mark = 0.0  # of training, and the time until which they are counted
        self._values: Mapping[str, float] = {}

    def on_fit_begin(self, training: Training) -> None:
        """Nothing is known of this fit."""
        self._forget()

    def on_epoch_begin(self, training: Training) -> None:
        """From here on it is training that takes time."""
        self._mark = training.seconds

    def on_slice(self, training: Training) -> None:
        """Shows how far it has come, and the values until now."""
        now = training.seconds
        self._seconds, self._mark = self._seconds + now - self._mark, now
        shown = {**self._values, **training.values}
        self._show(training, training.history.epochs, training.batch, shown)

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Shows the values of the epoch, from here on."""
        self._values = values
        self._show(training, training.history.epochs - 1, training.batch, values)

    def _show(
        self, training: Training, epoch: int, batch: int, values: Mapping[str, float]
    ) -> None:
        """epoch: of this fit, from 0."""
        if sys.stderr is None:
            return
        tqdm = bar_class()
        parts = [f"{name}={value:.4g}" for name, value in values.items()]
        if self._seconds:
            parts.insert(0, f"{tqdm.format_sizeof(training.rows / self._seconds)} rows/s")
        title, text = f"epoch {epoch + 1}/{training.epochs}", ", ".join(parts)
        if self._bar is None:
            self._bar = tqdm(
                total=training.epochs * training.batches or None,  # None: not known
                initial=batch,
                desc=title,
                postfix=text,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format=_FORMAT,
            )
            self._bar.start_t -= training.seconds
        if epoch != self._epoch:
            self._epoch, self._before = epoch, self._bar.n
        self._bar.set_description(title, refresh=False)
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(self._before + batch - self._bar.n)

    def on_fit_end(self, training: Training) -> None:
        """Closes the bar, and says where the time went if there was no error."""
        if self._bar is not None:
            self._bar.close()
        history = training.history
        if sys.stderr is None or history.performance is None:
            return
        if history.stopped is not None:
            print(f"stopped: {history.stopped}", file=sys.stderr)
        print(history.performance, file=sys.stderr)
