"""The progress bar of `fit`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from . import _engine
from ._spec import describe
from .performance import Performance


def wanted(verbose: object) -> bool:
    """Whether to show the bar; "auto" means: when stderr is a terminal."""
    if isinstance(verbose, str) and verbose == "auto":
        return sys.stderr is not None and sys.stderr.isatty()
    if isinstance(verbose, (bool, int)) and verbose in (0, 1):
        return bool(verbose)
    raise ValueError(f"verbose must be 'auto', True or False, got {describe(verbose)}")


class Progress:
    """A tqdm bar over all batches of a fit and a line on its speed, or nothing at all."""

    def __init__(self, shown: bool, epochs: int) -> None:
        self._shown = shown
        self._epochs = epochs
        self._bar: Any = None
        self._epoch, self._before = 0, 0  # batches before this epoch
        self._values: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def update(self, epoch: int, run: _engine.Progress) -> None:
        """Called between slices of an epoch; epoch counts from 0."""
        if not self._shown:
            return
        if self._bar is None:
            # here, so that quiet fits and importing do not pay for it
            from tqdm import tqdm

            total = self._epochs * run.n_batches if run.n_batches else None
            self._bar = tqdm(total=total, unit="batch", file=sys.stderr, dynamic_ncols=True)
        self._bar.set_description(f"epoch {epoch + 1}/{self._epochs}", refresh=False)
        loss, weight, _ = run.sums
        shown = {**self._values, "loss": loss / weight if weight else 0.0}
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in shown.items()}, False)
        if epoch != self._epoch:
            self._epoch, self._before = epoch, self._bar.n
        self._bar.update(self._before + run.batch - self._bar.n)

    def end_epoch(self, values: Mapping[str, float]) -> None:
        """Shows the values of a whole epoch from here on."""
        self._values = dict(values)
        if self._bar is not None:
            self._bar.set_postfix({name: f"{v:.4g}" for name, v in values.items()}, False)

    def conclude(self, performance: Performance) -> None:
        """The last line, after the bar has been closed."""
        if self._shown:
            print(performance, file=sys.stderr)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
