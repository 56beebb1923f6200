"""Network: the object that owns parameters, optimizer state and the position in training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import (
    _adapt,
    _averaged,
    _check,
    _custom,
    _engine,
    _fit,
    _initial,
    _inputs,
    _measure,
    _state,
    losses,
    optimizers,
    serialization,
)
from . import layers as _layers
from . import metrics as _metrics
from ._best import Best
from ._fast import Gate
from ._graph import Graph
from ._position import Position, UnderWay
from ._summary import Summary, in_html, in_one_line, summarize
from ._targets import ClassWeight, Data, Target, Validation, prepare_data
from .callbacks import Callback
from .callbacks.together import State
from .history import History
from .layers import Layer
from .losses import Loss
from .metrics import Metric
from .optimizers import FullBatch, Optimizer
from .sources.samples import Samples, to_adapt_to, to_measure, to_predict

Array = npt.NDArray[Any]


class Network:
    """A stack of layers trained by backpropagation (Rumelhart, Hinton and Williams, 1986).

    layers: a list of layers; they are specifications and may be shared between networks.
    loss: a name such as "cross_entropy", or an object such as losses.Huber(0.5). Each says which
        last activations go with it; with cross_entropy softmax, log_softmax or identity (logits).
    optimizer: a name such as "adam", or an object such as Adam(1e-3); see deltarule.optimizers.
    metrics: a list of names such as "accuracy" or "f1_macro", or objects; see deltarule.metrics.
    dtype: "float32" or "float64", of the parameters and of all arithmetic.
    backend: "fast" (C) or "reference" (numpy).
    seed: of the first weights and of the order of the rows; 0 <= seed < 2^64.

    A sample is a row. Before `build` or the first `fit` there are no parameters. Layers and a loss
    are enough: the others' defaults are Adam with a learning rate of 0.001 and no weight decay, in
    batches of 32; first weights that suit each activation (he_uniform for relu and its kin,
    lecun_normal for selu, else glorot_uniform), biases 0; and float32.
    Raises TypeError or ValueError that names the argument.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: str | Loss,
        optimizer: str | Optimizer | FullBatch = "adam",
        *,
        metrics: Iterable[str | Metric] = (),
        dtype: npt.DTypeLike = "float32",
        backend: str = "fast",
        seed: int = 0,
    ) -> None:
        self._layers = _layers.check_layers(layers)
        self._loss = losses.get(loss)
        self._activation = _layers.output_activation(self._layers)
        width = _layers.width_of(self._layers)
        self._optimizer = optimizers.get(optimizer)
        self._metrics = _metrics.get_all(metrics)
        self._custom = _custom.classes(self._layers, self._loss, *self._metrics)
        if width is not None:
            self._check_output(width)
        self._dtype = _check.float_dtype("dtype", dtype).name
        self._backend = _engine.check_backend(backend)
        self._seed = _check.integer("seed", seed, 0, 1 << 64)
        self._plan: _engine.Plan | None = None
        self._input_shape: tuple[int, ...] | None = None
        self._output_shape: tuple[int, ...] = ()
        self._standing: Position | UnderWay = Position()
        self._callback_states: State = ()
        self._best: Best | None = None
        self._gate = Gate()
        self._serving = _averaged.Serving(self._gate)

    # ------------------------------------------------------------------ what it was made from
    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, first to last."""
        return self._layers

    @property
    def loss(self) -> Loss:
        """The loss that training makes small."""
        return self._loss

    @property
    def optimizer(self) -> Optimizer | FullBatch:
        """How a gradient becomes an update."""
        return self._optimizer

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is reported beside the loss."""
        return self._metrics

    @property
    def dtype(self) -> str:
        """"float32" or "float64"."""
        return self._dtype

    @property
    def backend(self) -> str:
        """"fast" or "reference"."""
        return self._backend

    @property
    def seed(self) -> int:
        """Of the first weights and of the order of the rows."""
        return self._seed

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """The shape of a sample, None before the network is built."""
        return self._input_shape

    @property
    def built(self) -> bool:
        """Whether there are parameters: after build() or the first fit()."""
        return self._plan is not None

    @property
    def epochs_done(self) -> int:
        """Over its life, saved with it: fit(..., epochs=n - epochs_done) ends what was begun."""
        return self._position.epoch

    __repr__ = in_one_line
    _repr_html_ = in_html  # what notebooks show

    # ----------------------------------------------------------------------------- building
    def build(self, input_shape: int | Sequence[int]) -> None:
        """Draws the first weights for samples of input_shape: (64,) or 64.

        Building again for the same shape changes nothing; for another it raises ValueError.
        """
        with self._gate.training("build()"):
            self._build(_layers.check_sample_shape(input_shape))

    def _build(self, shape: tuple[int, ...]) -> _engine.Plan:
        if self._plan is not None:
            if shape != self._input_shape:
                raise ValueError(
                    f"this network is already built for samples of shape {self._input_shape}, "
                    f"got input_shape {shape}"
                )
            return self._plan
        graph = self._lower(shape)
        plan = self._new_plan(graph)
        for name, values in _initial.first_values(self._layers, graph, self._backend, self._seed):
            plan.set(0, name, values)
        for name in graph.learnt():
            for slot, first in enumerate(graph.optimizer_of(name).initial_state, start=1):
                plan.set(slot, name, np.full_like(plan.get(slot, name), first))
        self._adopt(plan, shape, Position())
        return plan

    def _lower(self, shape: tuple[int, ...]) -> Graph:
        """The graph for samples of a shape; ValueError when the layers cannot take them."""
        builder = _layers.lower(self._layers, shape, self.dtype)
        graph = Graph(
            dtype=self.dtype,
            widths=tuple(builder.widths),
            nodes=tuple(builder.nodes),
            loss=self._loss,
            optimizer=self._optimizer.engine,
            accuracy=self._check_output(builder.widths[-1]),
            seed=self._seed,
        )
        _fit.check_trainable(self._optimizer, graph)
        return graph

    def _check_output(self, n_out: int) -> str:
        """How hits are counted; ValueError where the loss or a metric cannot take the output."""
        self._loss.check_output(self._activation, n_out)
        return _measure.check(self._metrics, self._loss, self._activation, n_out)

    def _new_plan(self, graph: Graph) -> _engine.Plan:
        if self._backend == "fast":
            _custom.warn_slow(_custom.classes(self._layers, self._loss).values())
        return _engine.new_plan(self._backend, graph)

    def _adopt(self, plan: _engine.Plan, shape: tuple[int, ...], position: Position) -> None:
        output = _layers.output_shape(self._layers, shape)
        self._plan, self._standing = plan, position  # no signal comes between these four
        self._input_shape, self._output_shape = shape, output

    @property
    def _position(self) -> Position:
        return self._standing.now

    def _built(self, what: str) -> _engine.Plan:
        if self._plan is None:
            raise RuntimeError(f"{what}: the network is not built; call build() or fit() first")
        return self._plan

    # ----------------------------------------------------------------------------- training
    def fit(
        self,
        X: Samples,
        y: npt.ArrayLike | None = None,
        *,
        epochs: int = 1,
        batch_size: int | None = None,
        validation_data: Validation | Samples | None = None,
        validation_split: float = 0.0,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: ClassWeight = None,
        callbacks: Iterable[Callback] = (),
        shuffle: bool = True,
        steps_per_epoch: int | None = None,
        verbose: bool | str = "auto",
    ) -> History:
        """Trains for a number of epochs, from where the network is.

        X: (n, features), or (n, ...) where the first layer takes that; an array, table or sparse.
        y: (n,) labels or numbers, or (n, n_out); the loss says more. Without y, X comes in pieces
        (docs/data.md): dr.data.Parquet, or an iterable of batches (x, y[, sample_weight]) or a
        function that returns one for each epoch; steps_per_epoch of them, or all. sample_weight:
        (n,), finite and >= 0. class_weight: with classes, a factor for each: a dict {class: weight}
        (others 1), an array or "balanced", n / (classes * samples of the class); where each output
        is a question of its own, their product, or a list of one for each output. batch_size: 32,
        or all where the optimizer needs them. validation_data: (X, y[, sample_weight]) or pieces,
        measured after every epoch, classes all the same; or validation_split: the share of the rows
        held out for it. callbacks: objects of deltarule.callbacks, called in this order. shuffle: a
        new order of rows every epoch. verbose: a progress bar and its speed; "auto": in a terminal.
        X is not copied where it is float32, float64, uint8 or bool and the numbers of a row lie
        side by side (slices of rows or columns, memory maps): its batches are converted. Any other
        X is converted whole; y and weights are copied, labels to 8 bytes each.

        Returns a History. After Ctrl-C, or an error of a callback, the network is as after the last
        whole batch, and the next fit with the same number of rows, batch_size and shuffle first
        finishes that epoch, which counts as one of its own.
        Raises TypeError or ValueError before anything has changed, RuntimeError while training.
        """
        with self._gate.training("fit()"):
            return _fit.fit(
                self, X, y, sample_weight, class_weight, validation_data, validation_split,
                callbacks, epochs=epochs, batch_size=batch_size, shuffle=shuffle,
                steps=steps_per_epoch, verbose=verbose,
            )  # fmt: skip

    def train_on_batch(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: ClassWeight = None,
    ) -> float:
        """One update over all rows of X, in pieces where gradients accumulate. Returns the loss.

        Weights that sum to zero change nothing and give 0.0. Arguments and errors as for fit.
        """
        with self._gate.training("train_on_batch()"):
            X = _inputs.as_rows(X, "X")
            data = self._prepare(X, y, sample_weight, class_weight)
            piece = _fit.rows_of_a_piece(self._optimizer, len(X))
            _layers.check_batch(self._layers, piece)
            plan = self._build(X.shape[1:])
            return plan.train_batch(*data, _fit.learning_rates(self, plan, 1), piece)

    def adapt(self, X: Samples) -> None:
        """Measures mean and variance of the Normalization layers over X, as the first `fit` does.
        Raises ValueError where there are no such layers, and as fit for X."""
        with self._gate.training("adapt()"):
            if not _adapt.names(self._layers):
                raise ValueError("this network has no Normalization layers")
            shape, passes = to_adapt_to(X, self._target())
            _adapt.measure(self._build(shape), self._backend, self._layers, passes)

    # ------------------------------------------------------------------------ using the network
    def predict(self, X: Samples) -> Array:
        """What the last layer puts out, (n, n_out) or (n, ...). nan and inf in X pass through.

        X is copied only where `fit` would copy it. May be called from several threads, also while
        the network is training.
        """
        plan, shape = self._built("predict()"), self._input_shape
        plan = self._serving.of(plan) if plan.averaged else plan
        if type(X) is np.ndarray and X.ndim == 2 and X.shape[1:] == shape and _inputs.streams(X):
            y = plan.predict(X)
        else:
            found = [plan.predict(x) for x in to_predict(X, self._target()) if len(x)]
            empty = np.empty((0, plan.graph.n_out), self._dtype)
            y = found[0] if len(found) == 1 else np.concatenate([empty, *found])
        return y if len(self._output_shape) == 1 else y.reshape(len(y), *self._output_shape)

    def evaluate(
        self,
        X: Samples,
        y: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: ClassWeight = None,
    ) -> dict[str, Any]:
        """The loss and the metrics over all rows, by name; those of classes may be arrays.

        Arguments, what is copied of them, and errors as for fit.
        """
        with self._gate.reading("evaluate()"):
            plan = self._serving.of(self._built("evaluate()"))
            samples = to_measure((X, y, sample_weight, class_weight), self._target())
            return _measure.Meter(self, plan.graph).evaluate(plan, samples.pieces())

    def gradients(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: ClassWeight = None,
    ) -> tuple[float, dict[str, Array]]:
        """(loss, {name: gradient}) over all rows; nothing is updated.
        Arguments and errors as for fit."""
        with self._gate.training("gradients()"):  # the engine has one place for gradients
            plan = self._built("gradients()")
            return plan.gradients(*self._prepare(X, y, sample_weight, class_weight))

    def _prepare(self, *values: object) -> Data:
        return prepare_data(values, self._target())

    def _target(self, shape: tuple[int, ...] | None = None) -> Target:
        known = self._output_shape if shape in (None, self._input_shape) else ()
        return Target(self._loss, self._layers, shape or self._input_shape, self._dtype, known)

    # --------------------------------------------------------------------------- parameters
    @property
    def n_parameters(self) -> int:
        """How many numbers are learnt."""
        return self._built("n_parameters").graph.n_parameters

    def parameters(self, *, average: bool = False) -> dict[str, Array]:
        """Copies: {"0.weight": (n_in, n_out), "0.bias": (n_out,), ...}; or of their average:
        ValueError without one, RuntimeError where it has not begun."""
        with self._gate.reading("parameters()"):
            return _averaged.get_all(self._built("parameters()"), average=average)

    def set_parameters(self, parameters: Mapping[str, npt.ArrayLike]) -> None:
        """Replaces some or all parameters, in an average, too; optimizer state stays as it is.

        Raises TypeError or ValueError, before any has changed, for unknown names, other shapes,
        what is not real numbers, nan and inf.
        """
        with self._gate.training("set_parameters()"):
            _averaged.put_all(self._built("set_parameters()"), parameters)

    def restore_best_weights(self) -> None:
        """Puts the best weights in place that callbacks have had kept in a fit that none has ended.

        Raises RuntimeError where there are none (EarlyStopping(restore_best_weights=True)).
        """
        with self._gate.training("restore_best_weights()"):
            plan = self._built("restore_best_weights()")
            if self._best is None:
                raise RuntimeError("restore_best_weights(): no best weights have been kept")
            self._best.put(plan)

    def summary(self) -> Summary:
        """A printable table of the layers, their shapes and parameters, and the memory."""
        return summarize(self, self._built("summary()").graph)

    # ------------------------------------------------------------------------- saving, copying
    def save(self, path: str | os.PathLike[str], *, keep_previous: bool = False) -> None:
        """Writes all of its state to a safetensors file for `deltarule.load`, whole or not at all.
        keep_previous: what was there stays as path + ".previous"."""
        serialization.save(self, path, keep_previous=keep_previous)

    def __getstate__(self) -> dict[str, Any]:
        with self._gate.reading("copying"):
            return {
                "description": _state.describe_network(self, ""),
                "arrays": _state.collect_arrays(self),
                "backend": self._backend,
                "custom": self._custom,
            }

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        state = _state.parse_description(pickled["description"], pickled["custom"])
        Network.__init__(self, **state.arguments, backend=pickled["backend"])
        _state.restore(self, state, pickled["arrays"])
