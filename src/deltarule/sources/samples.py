"""Samples as `fit` and the others use them, in memory or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import _averaged, _check, _full_batch, _inputs, _split, layers
from .._check_sparse import Rows
from .._engine import Plan, Progress, Run
from .._targets import Data, Target, prepare_data, prepare_validation
from ..averages import SWA
from ..optimizers import FullBatch, Optimizer
from . import find
from .base import Source, Way
from .stream import Array, Rates, Stream, only_x, shape_of

if TYPE_CHECKING:
    from .._measure import Meter
    from .._position import Position
    from ..network import Network
    from ..performance import Stopwatch

Samples = npt.ArrayLike | Source | Iterable[Any] | Callable[[], Iterable[Any]]

_BATCH_SIZE = 32


class Arrays:
    """Samples that are in memory: an epoch is one run of the engine."""

    again = True
    order: npt.NDArray[np.int64] | None = None  # of the rows, where the engine does not shuffle

    def __init__(
        self, data: Data, shape: tuple[int, ...], way: Way, piece: int = 0
    ) -> None:
        """piece: rows that are computed together, where a batch is more."""
        self._piece = piece
        self.data, self.shape, self.way, self.first = data, shape, way, data[0]

    def passes(self) -> list[Rows]:
        """All rows of X."""
        return [self.data[0]]

    def pieces(self) -> list[Data]:
        """All of them, as an engine takes them."""
        return [self.data]

    def with_room(self, at: Position, meter: Meter) -> Position:
        """A position that has room for what rows put out, if metrics want to know."""
        room = meter.room(at.rows) if at.outputs is None else None
        return at if room is None else replace(at, outputs=room)

    def open(
        self, plan: Plan, at: Position, seed: int, rates: Rates, watch: Stopwatch, meter: Meter
    ) -> Run:
        """The rest of an epoch."""
        return plan.train(
            *self.data,
            batch_size=at.batch_size,
            shuffle=at.shuffle,
            seed=seed,
            epoch=at.epoch,
            batch=at.batch,
            sums=at.sums,
            rates=rates(-(-at.rows // at.batch_size)),
            y=at.outputs,
            order=self.order,
            averages=_averaged.takes(plan, at.epoch),
            piece=min(self._piece, at.batch_size),
        )

    def after(self, at: Position, run: Progress, meter: Meter) -> Position:
        """Where a network is when a run that was opened there has stopped."""
        return at.after(run)

    def after_epoch(
        self, meter: Meter, plan: Plan, run: Progress, outputs: Array | None
    ) -> dict[str, Any]:
        """The loss and the metrics of an epoch."""
        return meter.after_epoch(plan, self.data, run.sums, outputs)


def to_train_on(
    net: Network,
    values: tuple[Any, ...],
    validation_data: Any,
    validation_split: object,
    *,
    batch_size: object,
    shuffle: bool,
    epochs: int,
    steps: object,
) -> tuple[Arrays | Stream, Arrays | Stream | None]:
    """What `fit` learns from, and what it validates on. values: X, y, sample_weight and
    class_weight."""
    X, y = values[:2]
    if batch_size is not None:
        batch_size = _check.positive_int("batch_size", batch_size)
    source, tested = find(X, "X", lists=y is None, steps=steps), _to_validate(validation_data)
    fraction = _check.fraction("validation_split", validation_split)
    if fraction and validation_data is not None:
        raise ValueError("validation_data and validation_split cannot both be given")
    samples: Arrays | Stream
    if source is None:
        if steps is not None:
            raise ValueError(f"steps_per_epoch is for iterables of batches, got {steps!r}")
        X = _inputs.as_rows(X, "X")
        data, held = _split.prepare(
            net, (X, *values[1:]), None if tested else validation_data, fraction
        )
        size = rows_of_a_batch(net.optimizer, batch_size, len(data[0]))
        layers.check_batch(net.layers, size)
        n = len(data[0])
        rows = min(size * net.optimizer.engine.gradient_accumulation_steps, n)
        samples = Arrays(data, X.shape[1:], Way(n, rows, shuffle), size)
    else:
        if fraction:
            raise ValueError("validation_split needs X in memory: give validation_data")
        samples = _stream(net, source, values, batch_size, shuffle, epochs, steps)
        held = prepare_validation(None if tested else validation_data, net._target(samples.shape))
    if tested is not None:
        return samples, Stream(tested, tested.way(None, False), net._target(samples.shape))
    return samples, None if held is None else Arrays(held, samples.shape, Way(0, 0, False))


def _stream(
    net: Network,
    source: Source,
    values: tuple[Any, ...],
    batch_size: int | None,
    shuffle: bool,
    epochs: int,
    steps: object,
) -> Stream:
    _check_alone(values[1:3])
    if isinstance(net.optimizer, FullBatch):
        name = type(net.optimizer).__name__
        raise ValueError(f"X must be arrays for {name}, which needs all rows again and again")
    engine = net.optimizer.engine
    if engine.gradient_accumulation_steps > 1 or isinstance(engine.averaging, SWA):
        raise ValueError(
            "X must be arrays for gradient_accumulation_steps and for SWA, got a source; give a "
            "larger batch_size, or EMA"
        )
    if epochs > 1 and steps is None and not source.again:
        raise ValueError(
            f"X is an iterator, which serves one epoch, got epochs={epochs}: give a function that "
            "returns a new one for each, or steps_per_epoch"
        )
    return Stream(source, source.way(batch_size, shuffle), net._target(), values[3])


def _to_validate(data: Any) -> Source | None:
    source = find(data, "validation_data", lists=False)
    if source is not None and not source.again:
        raise ValueError(
            "validation_data is an iterator, which serves once: give a function that returns a new "
            "one for each epoch"
        )
    return source


def to_measure(values: tuple[Any, ...], target: Target) -> Arrays | Stream:
    """values: X, y, sample_weight and class_weight as `evaluate` gets them."""
    source = find(values[0], "X", lists=values[1] is None)
    if source is None:
        data = prepare_data(values, target, positive=True)
        return Arrays(data, data[0].shape[1:], Way(0, 0, False))
    _check_alone(values[1:3])
    return Stream(source, source.way(None, False), target, values[3])


def to_adapt_to(
    X: Any, target: Target
) -> tuple[tuple[int, ...], Callable[[], Iterable[Rows]]]:
    """The shape of a sample of X, and all its rows, as often as one likes."""
    source = find(X, "X", lists=False)
    if source is None:
        X = _inputs.as_rows(X, "X")
        x = _inputs.prepare_x(X, target.shape, target.dtype)
        return X.shape[1:], lambda: [x]
    if not source.again:
        raise ValueError("X is an iterator, which serves once, and adapt() reads it twice")
    target = replace(target, shape=target.shape or shape_of(source))
    assert target.shape is not None
    return target.shape, lambda: only_x(source, target)


def to_predict(X: Any, target: Target) -> Iterable[Rows]:
    """The pieces of X, one or many, perhaps without rows."""
    source = find(X, "X", lists=False)
    if source is None:
        return [_inputs.prepare_x(X, target.shape, target.dtype, finite=False, empty=True)]
    return only_x(source, target, finite=False)


def _check_alone(others: tuple[object, ...]) -> None:
    for name, value in zip(("y", "sample_weight"), others, strict=True):
        if value is not None:
            raise ValueError(f"{name} must be None where X comes with its own")


def rows_of_a_batch(
    optimizer: Optimizer | FullBatch, batch_size: int | None, rows: int
) -> int:
    """None is the default. ValueError where the optimizer needs all, ImportError where it cannot be
    had."""
    every = isinstance(optimizer, FullBatch)
    if isinstance(optimizer, FullBatch):
        _full_batch.check_installed(optimizer)
    if batch_size is None:
        return rows if every else min(_BATCH_SIZE, rows)
    if every and batch_size < rows:
        raise ValueError(
            f"batch_size must be None or at least {rows}, as {type(optimizer).__name__} needs all "
            f"{rows} rows at once, got {batch_size}"
        )
    return min(batch_size, rows)
