"""All callbacks of one fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .._spec import describe
from .base import Callback
from .monitor import Monitor
from .progress import ProgressBar, wanted

if TYPE_CHECKING:
    from ..network import Network


def of_fit(callbacks: object, verbose: object) -> tuple[Callback, ...]:
    """Those that a user gives, and the progress bar that `verbose` asks for.

    Raises TypeError for what is none, ValueError where one is there twice.
    """
    shown = wanted(verbose)
    if isinstance(callbacks, str | Callback) or not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a list of callbacks, got {describe(callbacks)}")
    found = tuple(callbacks)
    for number, callback in enumerate(found):
        if isinstance(callback, type) and issubclass(callback, Callback):
            name = callback.__name__
            raise TypeError(f"callbacks[{number}] must be an instance, {name}(...), not the class")
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks[{number}] must be a Callback, got {describe(callback)}")
        if any(callback is other for other in found[:number]):
            raise ValueError(f"callbacks[{number}] is there twice")
    if shown and not any(isinstance(callback, ProgressBar) for callback in found):
        found += (ProgressBar(),)
    return found


def check(
    callbacks: Iterable[Callback], network: Network, names: tuple[str, ...]
) -> Monitor | None:
    """ValueError where one cannot work in a fit. Returns by what the best weights are to be told,
    which all that want them have to agree on."""
    monitor = None
    for callback in callbacks:
        callback.check(network, names)
        found = callback.keeps_best()
        if found is not None and monitor is not None and found != monitor:
            raise ValueError(
                f"callbacks keep the best weights by {monitor.name!r} ({monitor.mode}) and by "
                f"{found.name!r} ({found.mode}); give them the same monitor and mode"
            )
        monitor = monitor or found
    return monitor
