"""A perceptron of scikit-learn's and its data, as a plan of the C core.

Its parameters are arrays of the caller's, all weights and then all biases, as scikit-learn orders
them; they are copied into the plan and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from .. import _inputs
from .._fast import Plan, Run, Shuffle, dense_rows
from .._graph import Graph, Node
from ..losses import MSE, Loss
from ..losses.sums import BinaryLogLoss, Deviance, HalfSquares, LogLoss
from ..optimizers import SGD, Adam, Optimizer

Array = npt.NDArray[Any]

_ACTIVATIONS = {
    "identity": "identity",
    "logistic": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
    "softmax": "softmax",
    "exp": "exp",
}
_LOSSES: dict[tuple[str, str], type[HalfSquares | Deviance | BinaryLogLoss | LogLoss]] = {
    ("log_loss", "softmax"): LogLoss,
    ("log_loss", "logistic"): BinaryLogLoss,
    ("squared_error", "identity"): HalfSquares,
    ("poisson", "exp"): Deviance,
}
_NUMBERS_AT_ONCE = 1 << 22  # of a sparse X that are made dense
_ROWS_IN_CACHE = 128  # of the activations of an ordinary perceptron, with their errors
_FOREVER = float("inf")


class Shape(NamedTuple):
    """What a perceptron computes, but for the numbers in it."""

    dtype: str
    widths: tuple[int, ...]
    activation: str
    output: str

    @classmethod
    def of(cls, mlp: Any, dtype: npt.DTypeLike) -> Shape:
        widths = mlp.coefs_[0].shape[0], *(coef.shape[1] for coef in mlp.coefs_)
        return cls(np.dtype(dtype).name, widths, mlp.activation, mlp.out_activation_)

    @property
    def names(self) -> list[str]:
        """Of the parameters, in scikit-learn's order."""
        layers = range(len(self.widths) - 1)
        return [f"{i}.weight" for i in layers] + [f"{i}.bias" for i in layers]

    def graph(self, loss: Loss, optimizer: Optimizer, l2: float = 0.0) -> Graph:
        last = len(self.widths) - 2
        nodes = (
            Node(
                "dense",
                str(i),
                (i,),
                i + 1,
                activation=_ACTIVATIONS[self.output if i == last else self.activation],
                bias=True,
                l2=l2,
            )
            for i in range(last + 1)
        )
        return Graph(
            dtype=self.dtype,
            widths=self.widths,
            nodes=tuple(nodes),
            loss=loss,
            optimizer=optimizer,
            accuracy="none",
            by_batch=True,
        )


def loss_of(mlp: Any, dtype: np.dtype[Any]) -> HalfSquares | Deviance | BinaryLogLoss | LogLoss:
    """scikit-learn's."""
    n_out = mlp.coefs_[-1].shape[1]
    return _LOSSES[mlp.loss, mlp.out_activation_](n_out=n_out, dtype=dtype.name)


def set_parameters(plan: Plan, names: Sequence[str], parameters: Sequence[Array]) -> None:
    for name, values in zip(names, parameters, strict=True):
        plan.set(0, name, values)


def pieces(n: int, columns: int, multiple: int = 1) -> Iterator[slice]:
    """Of n rows as many at once as may be dense."""
    step = max(1, _NUMBERS_AT_ONCE // (columns * multiple)) * multiple
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def as_rows(X: Any, dtype: npt.DTypeLike) -> Array:
    """Dense rows that the core can read."""
    if scipy.sparse.issparse(X):
        X = X.toarray()
    return X if _inputs.streams(X) else np.ascontiguousarray(X, dtype)


FEW = 8  # rows: for more it pays to copy weights into the layout of a plan


def predict_few(mlp: Any, X: Array) -> Array | None:
    """As `predict`, for rows in an array, with weights read where they lie; None where they, or the
    rows, are not plain and finite numbers of one type."""
    activations = [_ACTIVATIONS[mlp.activation]] * len(mlp.coefs_)
    activations[-1] = _ACTIVATIONS[mlp.out_activation_]
    return dense_rows(X, mlp.coefs_, mlp.intercepts_, activations)


# Plans for the next prediction of their shape, and names of their parameters: to build one takes
# longer than a row. One that is in use is not in here, so threads do not meet in it.
_spare: dict[Any, tuple[Plan, list[str]]] = {}
_SPARES = 4
_SPARE_NUMBERS = 1 << 20


def predict(mlp: Any, X: Any, dtype: npt.DTypeLike) -> Array:
    """The outputs (n, n_outputs_) for rows X, from coefs_ and intercepts_ as they are now."""
    key = dtype, mlp.activation, mlp.out_activation_, *[coef.shape for coef in mlp.coefs_]
    found = _spare.pop(key, None)
    if found is None:
        shape = Shape.of(mlp, dtype)
        found = Plan(shape.graph(MSE(), SGD())), shape.names
    plan, names = found
    set_parameters(plan, names, mlp.coefs_ + mlp.intercepts_)
    if scipy.sparse.issparse(X):
        X = X.tocsr()
        parts = [plan.predict(as_rows(X[piece], dtype)) for piece in pieces(*X.shape)]
        y = np.concatenate(parts)
    else:
        y = plan.predict(as_rows(X, dtype))
    if max([coef.size for coef in mlp.coefs_]) <= _SPARE_NUMBERS:
        if len(_spare) >= _SPARES:
            _spare.clear()  # one step: other threads are at it, too
        _spare[key] = found
    return y


@dataclass(frozen=True, repr=False)
class _Adam(Adam):
    """Adam with eps added before the correction of v (Kingma and Ba's "epsilon hat")."""

    def __post_init__(self) -> None:
        """scikit-learn has checked the numbers."""

    @property
    def numbers(self) -> tuple[float, ...]:
        return (*self.betas, self.eps, 1.0)


@dataclass(frozen=True, repr=False)
class _SGD(SGD):
    def __post_init__(self) -> None:
        """scikit-learn has checked the numbers; its momentum may be 1."""


def engine_of(optimizer: SGDOptimizer | AdamOptimizer | None) -> Optimizer:
    if optimizer is None:
        return SGD()
    rate = float(optimizer.learning_rate_init)
    if isinstance(optimizer, AdamOptimizer):
        betas = float(optimizer.beta_1), float(optimizer.beta_2)
        return _Adam(rate, betas=betas, eps=float(optimizer.epsilon))
    momentum = float(optimizer.momentum)
    return _SGD(rate, momentum=momentum, nesterov=bool(optimizer.nesterov) and momentum > 0)


class Problem:
    """The rows that a perceptron is trained on, and a plan that trains it.

    X (n, features), dense or sparse; y (n, n_outputs_), as scikit-learn's _validate_input leaves
    it; sample_weight (n,) or None. optimizer: scikit-learn's, which holds the state between calls.
    """

    def __init__(
        self,
        mlp: Any,
        X: Any,
        y: Array,
        sample_weight: Array | None,
        dtype: npt.DTypeLike,
        optimizer: Any = None,
    ) -> None:
        self.names, self.plan = self._compile(mlp, np.dtype(dtype), optimizer)
        self.n: int = X.shape[0]
        self._optimizer: Any = optimizer
        self._rate = 0.0
        self._rates: npt.NDArray[np.float64] | None = None
        self._dtype = dtype
        self._sparse = scipy.sparse.issparse(X)
        self._x = X.tocsr() if self._sparse else as_rows(X, dtype)
        self._t = self._targets(y)
        self._w = None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype)
        self._signed = self._w is not None and bool((self._w <= 0).any())

    def _compile(
        self, mlp: Any, dtype: np.dtype[Any], optimizer: Any
    ) -> tuple[list[str], Plan]:
        """The names of the parameters in scikit-learn's order, and a plan that has them."""
        shape = Shape.of(mlp, dtype)
        loss, l2 = loss_of(mlp, dtype), float(mlp.alpha) / 2
        return shape.names, Plan(shape.graph(loss, engine_of(optimizer), l2))

    def _targets(self, y: Array) -> Array:
        """y as the loss takes it."""
        labels = isinstance(self.plan.graph.loss, LogLoss)
        return y.argmax(axis=1) if labels else np.ascontiguousarray(y, self._dtype)

    # ---------------------------------------------------------------- parameters and their state
    def load(self, parameters: Sequence[Array]) -> None:
        """Parameters, and the state of the optimizer."""
        set_parameters(self.plan, self.names, parameters)
        optimizer = self._optimizer
        if isinstance(optimizer, AdamOptimizer):
            if optimizer.t:  # else they are zeros, as in a plan that is new
                self._set_states(optimizer.ms, optimizer.vs)
            self.plan.step = optimizer.t
        else:
            self._rate = float(optimizer.learning_rate)
            if self.plan.n_slots > 1:  # our velocities have no learning rate in them
                self._set_states([-v / self._rate for v in optimizer.velocities])

    def _set_states(self, *states: Sequence[Array]) -> None:
        for slot, arrays in enumerate(states, start=1):
            for name, array in zip(self.names, arrays, strict=True):
                self.plan.set(slot, name, array)

    def _state(self, slot: int) -> list[Array]:
        return [self.plan.get(slot, name) for name in self.names]

    def write(self, parameters: Sequence[Array]) -> None:
        """Into these arrays, where they are."""
        for name, array in zip(self.names, parameters, strict=True):
            np.copyto(array, self.plan.get(0, name), casting="same_kind")

    def write_state(self) -> None:
        """Into the optimizer."""
        optimizer = self._optimizer
        if isinstance(optimizer, AdamOptimizer):
            optimizer.ms, optimizer.vs = self._state(1), self._state(2)
            t = optimizer.t = self.plan.step
            if t:
                optimizer.learning_rate = (
                    optimizer.learning_rate_init
                    * np.sqrt(1 - optimizer.beta_2**t)
                    / (1 - optimizer.beta_1**t)
                )
        elif self.plan.n_slots > 1:
            optimizer.velocities = [-self._rate * u for u in self._state(1)]

    # -------------------------------------------------------------------------------- computation
    def open(
        self, order: npt.NDArray[np.int64] | None, batch_size: int, random_state: Any
    ) -> None:
        """Before the first epoch. order: of the rows, shuffled where it is by this RandomState
        before each epoch; None: as they are."""
        self._order, self._batch_size = order, batch_size
        self._shuffle = None if order is None else Shuffle(order, random_state)
        if not isinstance(self._optimizer, AdamOptimizer):
            self._rates = np.full(-(-self.n // batch_size), self._rate)
        if not self._sparse:
            self._run = self._train(self._x, self._t, self._w, order)

    def epochs(self, ahead: Callable[[], int]) -> Iterator[list[float]]:
        """The losses of epochs without end, as many at once as ahead() says: these are computed
        without Python in between. Those that are done before an error are told before it."""
        while True:
            sums: list[float] = []
            try:
                self._compute(ahead(), sums)
            finally:
                if sums:
                    yield [each / self.n for each in sums]

    def _compute(self, most: int, sums: list[float]) -> None:
        if self._rates is not None:
            self._follow_rate(self._rates)
        if not (self._sparse or self._signed):
            self._run.epochs(most, self._shuffle, sums)
            return
        if self._shuffle is not None:
            self._shuffle.shuffle()
        if self._signed:
            self._check_weights()
        if self._sparse:
            sums.append(self._sparse_epoch())
        else:
            self._run.epochs(1, None, sums)

    def _sparse_epoch(self) -> float:
        """Some whole batches at a time are made dense, in order."""
        sums = (0.0, 0.0, 0.0)
        for piece in pieces(self.n, self._x.shape[1], self._batch_size):
            rows: Any = piece if self._order is None else self._order[piece]
            w = None if self._w is None else self._w[rows]
            run = self._train(as_rows(self._x[rows], self._dtype), self._t[rows], w, sums=sums)
            run.advance(_FOREVER)
            sums = run.sums
        return sums[0]

    def _train(
        self,
        x: Array,
        t: Array,
        w: Array | None,
        order: npt.NDArray[np.int64] | None = None,
        sums: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Run:
        rates, size = self._rates, self._batch_size
        return self.plan.train(
            x,
            t,
            w,
            batch_size=size,
            shuffle=False,
            seed=0,
            epoch=0,
            sums=sums,
            rates=None if rates is None else rates[: -(-len(x) // size)],
            order=order,
        )

    def _follow_rate(self, rates: npt.NDArray[np.float64]) -> None:
        """The optimizer's of this epoch. Velocities have the rate of their time in them."""
        rate = float(self._optimizer.learning_rate)
        if rate != self._rate and self.plan.n_slots > 1:
            factor = self._rate / rate if rate else 0.0
            self._set_states([factor * u for u in self._state(1)])
        rates[:] = self._rate = rate

    def _check_weights(self) -> None:
        """Batches without weight have no mean."""
        assert self._w is not None
        weights = self._w if self._order is None else self._w[self._order]
        least = np.add.reduceat(weights, np.arange(0, self.n, self._batch_size)).min()
        if least == 0:
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        if least < 0:
            raise ValueError("the sample weights of a batch sum to a negative number")

    def loss_and_gradient(self, parameters: Sequence[Array]) -> tuple[float, Array]:
        """Over all rows, the gradient as one vector in the order of the parameters."""
        set_parameters(self.plan, self.names, parameters)
        x = as_rows(self._x, self._dtype) if self._sparse else self._x
        loss, gradients = self.plan.gradients(x, self._t, self._w, _ROWS_IN_CACHE)
        return np.float64(loss), np.concatenate([gradients[name].ravel() for name in self.names])
