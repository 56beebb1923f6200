"""`Network.fit`: its arguments made ready, and its epochs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from . import _adapt, _check, _engine, _full_batch, _scale
from ._best import Best
from ._engine import F64, Array, Plan
from ._graph import Graph
from ._measure import Meter, in_history
from ._position import Position, UnderWay
from ._warn import CheckpointWarning, DivergenceWarning, warn
from .callbacks import Callback, Monitor, Training
from .callbacks import together as _callbacks
from .history import History
from .optimizers import FullBatch, Optimizer
from .performance import Stopwatch
from .sources.samples import Arrays, to_train_on
from .sources.stream import Stream

if TYPE_CHECKING:
    from .network import Network

_SLICE = 0.05  # seconds of training between two looks at Ctrl-C and the callbacks


def check_trainable(optimizer: Optimizer | FullBatch, graph: Graph) -> None:
    """ValueError where a network cannot be trained in such a way."""
    if isinstance(optimizer, FullBatch):
        _full_batch.check(optimizer, graph)


def rows_of_a_piece(optimizer: Optimizer | FullBatch, rows: int) -> int:
    """Of the rows of one update, how many are computed together. ValueError where the optimizer
    makes no steps of one batch."""
    if isinstance(optimizer, FullBatch):
        name = type(optimizer).__name__
        raise ValueError(f"train_on_batch(): {name} needs all rows again and again; use fit()")
    return -(-rows // optimizer.gradient_accumulation_steps)


def learning_rates(net: Network, plan: Plan, n: int, epoch: int | None = None) -> F64 | None:
    """Of the next n updates, in that epoch or the present one; None: the engine knows it."""
    if isinstance(net.optimizer, FullBatch):
        return None
    epoch = net._position.epoch if epoch is None else epoch
    return net.optimizer.rates(n, step=plan.step, epoch=epoch)


def fit(
    net: Network,
    X: object,
    y: object,
    sample_weight: object,
    class_weight: object,
    validation_data: object,
    validation_split: object,
    callbacks: object,
    *,
    epochs: object,
    batch_size: object,
    shuffle: object,
    steps: object,
    verbose: object,
) -> History:
    """What Network.fit says; the network's gate is closed already."""
    watch = Stopwatch()
    epochs = _check.positive_int("epochs", epochs)
    shuffle = _check.boolean("shuffle", shuffle)
    called = _callbacks.of_fit(callbacks, verbose)
    with watch.on("data"):
        samples, validation = to_train_on(
            net,
            (X, y, sample_weight, class_weight),
            validation_data,
            validation_split,
            batch_size=batch_size,
            shuffle=shuffle,
            epochs=epochs,
            steps=steps,
        )
    names = names_of(net, validation)
    monitor = _callbacks.check(called, net, names)
    plan = net._build(samples.shape)
    if _adapt.are_new(plan, net.layers):
        _adapt.measure(plan, net.backend, net.layers, samples.passes)
    if samples.first is not None:
        _scale.check(plan, samples.first)
    plan.restart_ledger()
    training = Training(net, History(), epochs, names, watch)
    return Fit(plan, samples, validation, watch, called, monitor, training).run()


def names_of(net: Network, validation: Arrays | Stream | None) -> tuple[str, ...]:
    """Of the values that there are for an epoch."""
    names = ("loss", *(metric.name for metric in in_history(net.metrics)))
    return names if validation is None else (*names, *(f"val_{name}" for name in names))


class Fit:
    """The epochs of a fit. What they change is the network's: it is what it is between two batches,
    whatever happens."""

    def __init__(
        self,
        plan: Plan,
        samples: Arrays | Stream,
        validation: Arrays | Stream | None,
        watch: Stopwatch,
        callbacks: tuple[Callback, ...],
        monitor: Monitor | None,
        training: Training,
    ) -> None:
        self._net, self._plan, self._samples = training.network, plan, samples
        self._validation, self._watch = validation, watch
        self._meter = Meter(self._net, plan.graph, history=True)
        self._outputs: Array | None = None  # of the epoch under way
        self._callbacks, self._training = callbacks, training
        self._by_batch = [callback for callback in callbacks if callback.batches]
        self._monitor, self._diverged = monitor, False

    def run(self) -> History:
        """So many epochs, or fewer."""
        history = self._training.history
        with ExitStack() as begun:
            self._begin(begun)
            optimizer: Optimizer | FullBatch = self._net.optimizer
            if isinstance(optimizer, FullBatch):
                self._iterations(optimizer)
            else:
                while self._goes_on():
                    self._epoch()
            self._conclude()
            self._save_checkpoints()
            history.performance = self._watch.stop(self._plan, self._samples.first)
        return history

    # ----------------------------------------------------------------------------- begin and end
    def _tell(self, event: str, *arguments: Any, to: Sequence[Callback] | None = None) -> None:
        called = self._callbacks if to is None else to
        if not called:
            return
        with self._net._gate.resting():
            for callback in called:
                getattr(callback, event)(self._training, *arguments)

    def _begin(self, begun: ExitStack) -> None:
        net = self._net
        if not _callbacks.restore(self._callbacks, net._callback_states):
            net._callback_states, net._best = (), None
        if net._best is not None and net._best.monitor != self._monitor:
            net._best = None
        for callback in self._callbacks:
            self._tell("on_fit_begin", to=[callback])
            begun.callback(self._tell, "on_fit_end", to=[callback])

    def _goes_on(self) -> bool:
        training = self._training
        return training.history.epochs < training.epochs and training.stopped is None

    def _is_over(self) -> bool:
        """Whether callbacks have ended it, rather than interrupted."""
        return self._training.stopped is not None and not self._training._paused

    def _conclude(self) -> None:
        """A fit that is over, rather than at an end for the time being, gets its best weights."""
        net, training = self._net, self._training
        training.history.stopped = training.stopped or training.history.stopped
        if not self._is_over():
            return
        if net._position.batch:
            net._standing = Position(net._position.epoch + 1)
        if net._best is not None:
            net._best.put(self._plan)
        net._best, net._callback_states = None, ()

    # ------------------------------------------------------------------------------------ epochs
    def _epoch(self) -> None:
        """What is left of the epoch at the present position."""
        net, training, samples = self._net, self._training, self._samples
        at = net._position.start(*samples.way, again=samples.again)
        at = samples.with_room(at, self._meter)
        net._standing, self._outputs = at, at.outputs
        self._begin_epoch()
        if training.stopped is not None:
            return

        def rates(n: int) -> F64 | None:
            return training._settle_rates(learning_rates(net, self._plan, n, at.epoch), n)

        run = samples.open(self._plan, at, net.seed, rates, self._watch, self._meter)
        net._standing = UnderWay(partial(samples.after, at, run, self._meter))
        training._run, over = run, 0 < run.batch == run.n_batches  # but for its end
        try:
            while not over and training.stopped is None:
                before = run.batch
                over = run.advance(0.0 if self._by_batch else training._slice(_SLICE))
                if run.batch > before:
                    self._tell("on_batch_end", to=self._by_batch)
                self._tell("on_slice")
                if training._checkpoints and not self._is_over():
                    net._callback_states = _callbacks.states(self._callbacks)
                    self._save_checkpoints()
                self._warn_of_divergence()
        finally:
            try:
                self._stand()
            except KeyboardInterrupt:
                self._stand()
                raise
        if training.stopped is None:
            self._end_epoch(run, Position(at.epoch + 1))

    def _stand(self) -> None:
        """Notes where the run has stopped, and what callbacks remember there."""
        net, seen = self._net, _callbacks.states(self._callbacks)
        net._standing, net._callback_states = net._position, seen

    def _warn_of_divergence(self) -> None:
        divergence = self._training.divergence
        if self._diverged or divergence is None or self._training.stopped is not None:
            return
        self._diverged = True
        warn(
            f"the loss is not a number any more {divergence}: try a smaller learning rate, inputs "
            "and targets of a scale of about 1 (layers.Normalization), or bounds for the gradients "
            "(clipnorm); TerminateOnNaN() ends such a fit at once",
            DivergenceWarning,
        )

    def _iterations(self, optimizer: FullBatch) -> None:
        """Epochs of a method that has its own way."""
        net, training = self._net, self._training

        def end(found: _full_batch.Iteration) -> str | None:
            training._run = found
            self._tell("on_slice")
            if training.stopped is None:
                self._end_epoch(found, net._position)
            if self._goes_on():
                self._begin_epoch()
            return training.stopped

        assert isinstance(self._samples, Arrays)
        data = self._samples.data
        problem = _full_batch.Problem(net, self._plan, data, self._watch, end)
        if self._goes_on():
            self._begin_epoch()
        if self._goes_on():
            training.history.stopped = _full_batch.train(optimizer, problem, training.epochs)

    def _begin_epoch(self) -> None:
        self._training._begin_epoch()
        self._tell("on_epoch_begin")

    def _end_epoch(self, run: _engine.Progress, position: Position) -> None:
        """Before `position` counts as reached, all callbacks have seen this epoch: if one raises an
        error, or Ctrl-C comes, all of them will again."""
        net, training = self._net, self._training
        values = self._measure(run)
        if self._monitor is not None:
            value, best = float(values[self._monitor.name]), net._best
            if self._monitor.better(value, None if best is None else best.value):
                net._best = Best.of(self._plan, self._monitor, value, position.epoch)
        training.history.append(values)
        self._tell("on_epoch_end", values)
        seen = _callbacks.states(self._callbacks)
        # no call between these two, so Ctrl-C cannot come there, either
        net._standing, net._callback_states = position, seen
        if not self._is_over():
            self._save_checkpoints()

    def _save_checkpoints(self) -> None:
        """Those that callbacks have asked for; where they have ended the fit, when it has ended."""
        asked, self._training._checkpoints = self._training._checkpoints, {}
        if not asked:
            return
        with self._net._gate.resting():
            for path, (keep_previous, on_error) in asked.items():
                try:
                    self._net.save(path, keep_previous=keep_previous)
                except OSError as error:
                    if on_error == "raise":
                        raise
                    warn(f"no checkpoint: {error}", CheckpointWarning)

    def _measure(self, run: _engine.Progress) -> dict[str, float]:
        values = self._samples.after_epoch(self._meter, self._plan, run, self._outputs)
        if self._validation is not None:
            with self._watch.on("validation"):
                served = self._net._serving.of(self._plan)
                found = self._meter.evaluate(served, self._validation.pieces())
            values |= {f"val_{name}": value for name, value in found.items()}
        return values
