"""Callbacks made of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .base import Callback

if TYPE_CHECKING:
    from .training import Training

_Event = Callable[["Training"], Any] | None


class LambdaCallback(Callback):
    """A callback made of functions, each called with what the method of Callback of that name gets:
    LambdaCallback(on_epoch_end=lambda training, values: print(training.epoch, values)).

    on_batch_end makes `fit` interrupt an epoch after every batch.
    Raises TypeError for what cannot be called.
    """

    def __init__(
        self,
        *,
        on_fit_begin: _Event = None,
        on_epoch_begin: _Event = None,
        on_slice: _Event = None,
        on_batch_end: _Event = None,
        on_epoch_end: Callable[[Training, Mapping[str, float]], Any] | None = None,
        on_fit_end: _Event = None,
    ) -> None:
        functions: dict[str, Any] = {
            "on_fit_begin": on_fit_begin,
            "on_epoch_begin": on_epoch_begin,
            "on_slice": on_slice,
            "on_batch_end": on_batch_end,
            "on_epoch_end": on_epoch_end,
            "on_fit_end": on_fit_end,
        }
        for name, function in functions.items():
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a function, got {type(function).__name__}")
            if function is not None:
                setattr(self, name, function)
        self.batches = on_batch_end is not None  # type: ignore[misc]
