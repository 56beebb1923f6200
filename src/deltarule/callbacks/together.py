"""All callbacks of one fit, and the states that the network keeps for them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import _check_names
from .._header import parse_json
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
    if not isinstance(callbacks, Iterable) or not _check_names.is_list(callbacks):
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


State = tuple[tuple[str, dict[str, Any]], ...]  # of several callbacks: class and state of each

MOST = 50_000  # characters of all states, which have to fit into the header of a model file


def _with_state(callbacks: Iterable[Callback]) -> list[Callback]:
    return [c for c in callbacks if type(c).state is not Callback.state]


def states(callbacks: Iterable[Callback]) -> State:
    """What callbacks remember. TypeError or ValueError where a model file cannot hold it."""
    found, size = [], 0
    for callback in _with_state(callbacks):
        name, state = type(callback).__name__, callback.state()
        if not isinstance(state, dict):
            raise TypeError(f"{name}: state() must return a dict, got {type(state).__name__}")
        try:
            text = json.dumps(state, allow_nan=False)
            # as deep as it will be in a file, and read as strictly
            read = parse_json(f'{{"callbacks": [{{"state": {text}}}]}}')["callbacks"][0]["state"]
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"{name}: state() must return what JSON has: {error}") from None
        size += len(text)
        if size > MOST:
            raise ValueError(f"{name}: states may have {MOST:,} characters in all, got {size:,}")
        found.append((name, read))
    return tuple(found)


def restore(callbacks: Iterable[Callback], kept: State) -> bool:
    """Hands callbacks the states, if they are theirs, else empty ones. Returns which."""
    takers = _with_state(callbacks)
    theirs = [type(taker).__name__ for taker in takers] == [name for name, _ in kept]
    for number, taker in enumerate(takers):
        taker.set_state(copy.deepcopy(kept[number][1]) if theirs else {})
    return theirs
