"""`fit_many`: many networks side by side, each on a thread of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Self

import numpy.typing as npt

from . import _check, _check_names, _fast, config
from ._spec import describe
from ._targets import ClassWeight, Validation
from .callbacks import Callback
from .callbacks.progress import bar_class, wanted
from .history import History
from .network import Network

if TYPE_CHECKING:
    from .callbacks import Training

Callbacks = Callable[[Network], Iterable[Callback]]


class FitErrors(ExceptionGroup[Exception]):
    """What fits of `fit_many` have raised, each with a note that says which network it was.

    histories: one for each network, None for those.
    """

    histories: list[History | None]

    def derive(self, errors: Sequence[Any], /) -> Any:
        """For `split` and `except*`."""
        made = type(self)(self.message, errors)
        made.histories = self.histories
        return made


class _Together(Callback):
    """What a fit has to do with the others: when one is interrupted, so are all."""

    def __init__(self, interrupted: threading.Event, tell: Callable[[float], None]) -> None:
        self._interrupted, self._tell = interrupted, tell

    def on_epoch_begin(self, training: Training) -> None:
        self.on_slice(training)

    def on_slice(self, training: Training) -> None:
        if self._interrupted.is_set():
            training.pause("interrupted")

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        self._tell(values["loss"])


class _Bar:
    """A tqdm bar over the epochs of all fits, or nothing."""

    def __init__(self, shown: bool, epochs: int) -> None:
        self._lock = threading.Lock()
        self._bar: Any = None
        if shown:
            how = {"file": sys.stderr, "dynamic_ncols": True}
            self._bar = bar_class()(total=epochs, unit="epoch", **how)

    def __enter__(self) -> Self:
        return self

    def epoch(self, loss: float) -> None:
        """One more is done."""
        if self._bar is not None:
            with self._lock:
                self._bar.set_postfix_str(f"loss={loss:.4g}", refresh=False)
                self._bar.update()

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()


def fit_many(
    networks: Iterable[Network],
    X: Any,
    y: Any = None,
    *,
    epochs: int | Sequence[int] = 1,
    batch_size: int | Sequence[int | None] | None = None,
    validation_data: Validation | None = None,
    validation_split: float = 0.0,
    sample_weight: npt.ArrayLike | None = None,
    class_weight: ClassWeight = None,
    callbacks: Callbacks | None = None,
    shuffle: bool = True,
    verbose: bool | str = "auto",
) -> list[History]:
    """Trains networks of any kind side by side, one on each core at a time: for ensembles, searches
    of hyperparameters or seeds.

    Each gets the same bits as by `network.fit` with the same arguments. epochs, batch_size: a
    number, or a list of one for each network. callbacks: a function that is called with each
    network and returns the list of its callbacks, which so are no other's; they run in the thread
    of its fit.
    verbose: one progress bar over the epochs of all. The others are as for `Network.fit`.

    Small networks gain most: one alone has too little work for several cores. A large one that uses
    them all by itself is better trained by `fit`.

    Returns the histories. An error in one fit does not end the others: when all are done FitErrors
    is raised, an ExceptionGroup that has the histories of the others; where every fit has failed
    for the same reason, that error. After Ctrl-C all networks are as after their last whole batch.
    Raises TypeError or ValueError for arguments before anything has changed.
    """
    nets = _networks(networks)
    for name, value in (("X", X), ("validation_data", validation_data)):
        if isinstance(value, Iterator):
            raise ValueError(f"{name} is an iterator, which serves one network")
    numbers = _each("epochs", epochs, len(nets))
    total = sum(_check.positive_int("epochs", number) for number in numbers)
    sizes = _each("batch_size", batch_size, len(nets))
    if callbacks is not None and not callable(callbacks):
        raise TypeError(
            f"callbacks must be a function that makes the list for a network, got "
            f"{describe(callbacks)}"
        )
    interrupted = threading.Event()
    own = [list(callbacks(net)) if callbacks else [] for net in nets]
    threads = min(len(nets), config.get_num_threads())
    with (
        _Bar(wanted(verbose), total) as bar,
        ThreadPoolExecutor(threads, "deltarule", _fast.threads_alone, (True,)) as pool,
    ):
        together = _Together(interrupted, bar.epoch)
        fits: list[Future[History]] = []
        try:
            for net, number, size, called in zip(nets, numbers, sizes, own, strict=True):
                fit = pool.submit(
                    net.fit,
                    X,
                    y,
                    epochs=number,
                    batch_size=size,
                    validation_data=validation_data,
                    validation_split=validation_split,
                    sample_weight=sample_weight,
                    class_weight=class_weight,
                    callbacks=[*called, together],
                    shuffle=shuffle,
                    verbose=False,
                )
                fits.append(fit)
            wait(fits)
        except BaseException:
            interrupted.set()
            for fit in fits:
                fit.cancel()
            raise
    return _results(fits)


def _networks(networks: object) -> list[Network]:
    if not isinstance(networks, Iterable) or not _check_names.is_list(networks):
        raise TypeError(f"networks must be a list of networks, got {describe(networks)}")
    found = list(networks)
    if not found:
        raise ValueError("networks must be at least one, got an empty list")
    seen: dict[int, int] = {}
    for number, net in enumerate(found):
        if not isinstance(net, Network):
            raise TypeError(f"networks[{number}] must be a Network, got {describe(net)}")
        if (first := seen.setdefault(id(net), number)) != number:
            raise ValueError(f"networks[{number}] is networks[{first}] again")
    return found


def _each(argument: str, value: Any, n: int) -> list[Any]:
    """One for each network."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return [value] * n
    if len(value) != n:
        raise ValueError(f"{argument} must be one for each of {n} networks, got {len(value)}")
    return list(value)


def _results(fits: Sequence[Future[History]]) -> list[History]:
    errors: list[Exception] = []
    histories: list[History | None] = []
    for number, fit in enumerate(fits):
        error = fit.exception()
        histories.append(fit.result() if error is None else None)
        if error is None:
            continue
        if not isinstance(error, Exception):
            raise error
        error.add_note(f"in the fit of networks[{number}]")
        errors.append(error)
    if len(errors) == len(fits) and len({(type(e), str(e)) for e in errors}) == 1:
        raise errors[0]
    if errors:
        group = FitErrors(f"{len(errors)} of {len(fits)} fits failed", errors)
        group.histories = histories
        raise group
    return [history for history in histories if history is not None]
