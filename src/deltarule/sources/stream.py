"""A source as `fit` and `evaluate` use it: its pieces are in memory one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import chain
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .. import _inputs, layers
from .._check_sparse import Rows
from .._engine import F64, Plan, Progress, Run, Sums
from .._position import Position
from .._targets import ClassWeight, Data, Target, prepare_data
from .base import Piece, Source, Way

if TYPE_CHECKING:
    from .._measure import Meter
    from ..performance import Stopwatch

Array = _inputs.Array
Rates = Callable[[int], F64 | None]  # learning rates of so many updates to come


class Stream:
    """Samples that come in pieces."""

    def __init__(
        self, source: Source, way: Way, target: Target, class_weight: ClassWeight = None
    ) -> None:
        listed = class_weight if isinstance(class_weight, list | tuple) else [class_weight]
        if any(isinstance(weight, str) for weight in listed):
            raise ValueError(
                f"class_weight must be numbers where {source.name} comes in pieces, got "
                f"{class_weight!r}, which counts all labels"
            )
        self.way, self.again = way, source.again
        self._source, self._target, self._class_weight = source, target, class_weight
        self._begun: Iterator[tuple[Piece, Data]] | None = None
        self.first: Rows | None = None  # rows of X, if they had to be looked at to know its shape

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """That of a sample. It may be that of the first piece, which is then read and checked."""
        if self._target.shape is not None:
            return self._target.shape
        pieces = self._source.pieces(self.way)
        first = next(pieces)
        with _saying(first):
            X = _inputs.as_rows(first.values[0], "X")
        begun = self._ready(replace(first, values=(X, *first.values[1:])))
        self._begun, self.first = chain([begun], map(self._ready, pieces)), begun[1][0]
        self._target = replace(self._target, shape=X.shape[1:])
        return X.shape[1:]

    def _ready(self, piece: Piece) -> tuple[Piece, Data]:
        data = self._prepared(piece)
        layers.check_batch(self._target.layers, piece.size or len(data[0]))
        return piece, data

    def _prepared(self, piece: Piece) -> Data:
        with _saying(piece):
            return prepare_data((*piece.values, self._class_weight), self._target)

    def passes(self) -> Iterator[Rows]:
        """All rows of X, for what is measured before training."""
        if not self.again:
            raise ValueError(
                f"{self._source.name} is an iterator, which serves once, and Normalization "
                "measures it before training: call net.adapt(X) first, with some rows or a source"
            )
        return only_x(self._source, self._target)

    def with_room(self, at: Position, meter: Meter) -> Position:
        """As it is: metrics see every piece when it has been learnt from."""
        return at

    def open(
        self, plan: Plan, at: Position, seed: int, rates: Rates, watch: Stopwatch, meter: Meter
    ) -> StreamRun:
        """The rest of an epoch."""
        begun, self._begun = self._begun, None
        pieces = begun or map(self._ready, self._source.pieces(self.way, at.batch))
        n_batches = self._source.batches(self.way)
        return StreamRun(plan, pieces, at, seed, rates, watch, meter, n_batches)

    def after(self, at: Position, run: Progress, meter: Meter) -> Position:
        """Where a network is when a run that was opened there has stopped. An epoch that
        metrics have seen a part of cannot be gone on with: the next is a new one."""
        if meter.outputs and run.batch:
            return Position(at.epoch + 1)
        return at.after(run)

    def after_epoch(
        self, meter: Meter, plan: Plan, run: Progress, outputs: Array | None
    ) -> dict[str, Any]:
        """The loss and the metrics of an epoch."""
        assert isinstance(run, StreamRun)
        return meter.report(run.sums, run.states)

    def pieces(self) -> Iterator[Data]:
        """All of them, as an engine takes them. ValueError behind the last if no row counts."""
        counts = False
        for piece in self._source.pieces(self.way):
            data = self._prepared(piece)
            counts = counts or data[2] is None or bool(data[2].any())
            yield data
        if not counts:
            raise ValueError(f"no row of {self._source.name} counts: all weights are zero")


def shape_of(source: Source) -> tuple[int, ...]:
    """That of a sample of the first piece."""
    first = next(source.pieces(source.way(None, False)))
    with _saying(first):
        return _inputs.as_rows(first.values[0], "X").shape[1:]


def only_x(source: Source, target: Target, *, finite: bool = True) -> Iterator[Rows]:
    """X alone, piece by piece. finite: refuse nan and inf, and pieces without rows."""
    for piece in source.pieces(source.way(None, False)):
        with _saying(piece):
            x = _inputs.prepare_x(
                piece.values[0], target.shape, target.dtype, finite=finite, empty=not finite
            )
        yield x


@contextmanager
def _saying(piece: Piece) -> Iterator[None]:
    """Errors inside say which piece they are about."""
    try:
        yield
    except TypeError as error:
        raise TypeError(f"{piece.where}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{piece.where}: {error}") from error


class StreamRun:
    """An epoch that is trained piece by piece, each as a run of the engine."""

    def __init__(
        self,
        plan: Plan,
        pieces: Iterator[tuple[Piece, Data]],
        at: Position,
        seed: int,
        rates: Rates,
        watch: Stopwatch,
        meter: Meter,
        n_batches: int | None,
    ) -> None:
        self._plan, self._pieces, self._rates, self._watch = plan, pieces, rates, watch
        self._order: dict[str, Any] = {"shuffle": at.shuffle, "seed": seed, "epoch": at.epoch}
        self._meter, self.states = meter, meter.start()  # of the metrics
        self._data: tuple[Data, Array] | None = None  # of the run, and what they put out
        self._before: tuple[int, Sums] = at.batch, at.sums
        self._run: Run | None = None
        self._first = 0  # the number of the first batch of the run
        self._finite = at.batch
        self._lost_in: int | None = None
        self.n_batches = n_batches

    @property
    def batch(self) -> int:
        """The number of the next batch."""
        return self._before[0] if self._run is None else self._first + self._run.batch

    @property
    def sums(self) -> Sums:
        """The sums of w l, w and w hit over the batches done."""
        return self._before[1] if self._run is None else self._run.sums

    @property
    def finite(self) -> int:
        """The first so many batches had a finite sum of losses."""
        if self._run is None or self._finite < self._before[0]:
            return self._finite
        return self._first + self._run.finite

    @property
    def lost_in(self) -> int | None:
        """Of the next one: see Progress."""
        if self._run is None or self._finite < self._before[0]:
            return self._lost_in
        return self._run.lost_in

    def advance(self, budget: float) -> bool:
        """Trains whole batches, at least one if there is one, until `budget` seconds are over.

        Returns whether the epoch is. The call is over, too, when a batch is the first whose loss is
        not finite. Whatever is raised, the plan, `batch` and `sums` are as after
        the last whole batch.
        """
        end, finite = perf_counter() + budget, math.isfinite(self.sums[0])
        while True:
            if self._run is None:
                self._run = self._next()
            if self._run is None:
                self.n_batches = self.batch
                return True
            if self._run.advance(max(0.0, end - perf_counter())):
                self._finite, self._lost_in = self.finite, self.lost_in
                if self._data is not None:
                    data, y = self._data
                    self._meter.update(self.states, y, data)
                done = self.batch, self._run.sums
                self._before, self._run = done, None  # no signal comes between two stores
            if perf_counter() >= end or (finite and not math.isfinite(self.sums[0])):
                return False

    def _next(self) -> Run | None:
        """A run over the next piece; None: there is none."""
        with self._watch.on("data"):
            found = next(self._pieces, None)
        if found is None:
            return None
        piece, data = found
        size = piece.size or len(data[0])
        batch, sums = self._before
        self._first = piece.batch
        y = self._meter.room(len(data[0]))
        self._data = None if y is None else (data, y)
        return self._plan.train(
            *data,
            batch_size=size,
            batch=batch - piece.batch,
            sums=sums,
            rates=self._rates(-(-len(data[0]) // size)),
            y=y,
            window=piece.window,
            **self._order,
        )
