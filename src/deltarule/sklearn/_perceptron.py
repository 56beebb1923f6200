"""A perceptron of scikit-learn's as a Network, for what scikit-learn's has not got.

Layers, losses and optimizers are deltarule's; what scikit-learn says of weights, penalties and
losses holds as before, so a parameter changes what it says and nothing else.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sklearn.neural_network._stochastic_optimizers import BaseOptimizer
from sklearn.utils._param_validation import InvalidParameterError

from .. import _fast, _fit, _inputs, activations, losses
from .._graph import Graph
from .._targets import Data
from ..activations import Activation
from ..layers import Activation as ActivationLayer
from ..layers import BatchNorm, Dense, Dropout, Layer
from ..losses import MAE, MSE, Huber, Loss, Quantile
from ..losses.sums import Summed
from ..network import Network
from ..optimizers import SGD, FullBatch, Optimizer
from ._parameters import ACTIVATIONS, LOSSES, is_default
from ._problem import Problem, engine_of, loss_of, set_parameters

Array = npt.NDArray[Any]

# those that training alone has to do with
_OF_TRAINING = (
    "dropout",
    "l1",
    "clip_norm",
    "optimizer",
    "callbacks",
    "validation_data",
    "scoring",
)


def invalid(mlp: Any, name: str, wanted: str, got: object) -> InvalidParameterError:
    """scikit-learn's error for a parameter."""
    return InvalidParameterError(
        f"The {name!r} parameter of {type(mlp).__name__} must be {wanted}. Got {got!r} instead."
    )


# ------------------------------------------------------------------------------- what is asked for
def predicts_otherwise(mlp: Any) -> bool:
    """Whether there is anything in the network that scikit-learn's have not got."""
    return bool(mlp.batch_norm) or mlp.activation not in ACTIVATIONS


def trains_otherwise(mlp: Any) -> bool:
    """Whether training takes anything that scikit-learn's has not got."""
    return (
        predicts_otherwise(mlp)
        or mlp.loss not in LOSSES
        or not all(is_default(mlp, name) for name in _OF_TRAINING)
    )


def _one_for_each(mlp: Any, name: str, n: int) -> list[Any]:
    value = getattr(mlp, name)
    if isinstance(value, str | Activation | Real):
        return [value] * n
    found = list(value)
    if len(found) != n:
        raise invalid(mlp, name, f"one for each of the {n} hidden layers", value)
    return found


def activations_of(mlp: Any, n: int) -> list[Activation]:
    """Those of n hidden layers. Raises InvalidParameterError."""
    given = _one_for_each(mlp, "activation", n)
    try:
        return [activations.get("sigmoid" if name == "logistic" else name) for name in given]
    except (TypeError, ValueError) as error:
        wanted = f"one or more of deltarule's activations ({error})"
        raise invalid(mlp, "activation", wanted, mlp.activation) from None


def dropouts_of(mlp: Any, n: int) -> list[float]:
    """The chances of n hidden layers. Raises InvalidParameterError."""
    given = _one_for_each(mlp, "dropout", n)
    try:
        return [Dropout(p).p for p in given]
    except (TypeError, ValueError) as error:
        raise invalid(mlp, "dropout", f"in [0.0, 1.0) ({error})", mlp.dropout) from None


def own_loss(mlp: Any) -> Loss | None:
    """One that scikit-learn has not got. Raises InvalidParameterError."""
    if mlp.loss == "absolute_error":
        return MAE()
    if mlp.loss == "huber":
        return Huber(float(mlp.huber_delta))
    if mlp.loss != "quantile":
        return None
    try:
        return Quantile(tuple(np.atleast_1d(mlp.quantile).tolist()))
    except (TypeError, ValueError) as error:
        raise invalid(mlp, "quantile", f"in (0.0, 1.0) ({error})", mlp.quantile) from None


# --------------------------------------------------------------------------------------- a network
def _stack(mlp: Any) -> list[Layer]:
    """The layers of what coefs_ are the weights of; what these begin with is given later."""
    *hidden, n_out = (coef.shape[1] for coef in mlp.coefs_)
    layers: list[Layer] = []
    kinds, chances = activations_of(mlp, len(hidden)), dropouts_of(mlp, len(hidden))
    for units, activation, p in zip(hidden, kinds, chances, strict=True):
        if mlp.batch_norm:
            layers.append(Dense(units, weight_init="zeros"))
            layers += [BatchNorm(), ActivationLayer(activation)]
        else:
            layers.append(Dense(units, activation, weight_init="zeros"))
        if p:
            layers.append(Dropout(p))
    last = {"logistic": "sigmoid"}.get(mlp.out_activation_, mlp.out_activation_)
    return [*layers, Dense(n_out, last, weight_init="zeros")]


class Perceptron(Network):
    """A Network with scikit-learn's penalties. Saved or copied it has none: a plain Network with
    these weights.

    by_batch: penalties are divided by the sum of the weights of a batch, as in Graph.
    """

    _penalties = (0.0, 0.0)
    _by_batch = False

    def __init__(
        self,
        mlp: Any,
        dtype: np.dtype[Any],
        loss: Loss | None = None,
        optimizer: Optimizer | FullBatch | None = None,
        *,
        penalties: tuple[float, float] = (0.0, 0.0),
        by_batch: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(_stack(mlp), loss or MSE(), "sgd", dtype=dtype, seed=seed)
        self._optimizer = optimizer or SGD()  # may be one that only scikit-learn has
        self._penalties, self._by_batch = penalties, by_batch
        self.build(mlp.coefs_[0].shape[0])

    @property
    def loss(self) -> Loss:
        """As users know it."""
        own = self._loss
        return losses.get(own.kind) if isinstance(own, Summed) else own

    @property
    def plan(self) -> _fast.Plan:
        """The engine."""
        return cast(_fast.Plan, self._plan)

    @property
    def names(self) -> list[str]:
        """Of the parameters: weights and biases as scikit-learn orders them, then all others."""
        dense = [i for i, layer in enumerate(self._layers) if isinstance(layer, Dense)]
        first = [f"{i}.{part}" for part in ("weight", "bias") for i in dense]
        return first + [name for name in self.plan.graph.parameter_shapes() if name not in first]

    def _lower(self, shape: tuple[int, ...]) -> Graph:
        graph = super()._lower(shape)
        l1, l2 = self._penalties
        nodes = tuple(
            replace(node, l1=l1, l2=l2) if node.kind == "dense" else node for node in graph.nodes
        )
        graph = replace(graph, nodes=nodes, by_batch=self._by_batch)
        _fit.check_trainable(self._optimizer, graph)
        return graph


def others(mlp: Any) -> dict[str, Array]:
    """What layers beside the dense ones have learnt."""
    found: dict[str, Array] = getattr(mlp, "other_parameters_", {})
    return found


def first_others(mlp: Any, dtype: np.dtype[Any]) -> dict[str, Array]:
    """What that is before training."""
    net = Perceptron(mlp, dtype)
    return {name: net.plan.get(0, name) for name in net.names[2 * len(mlp.coefs_) :]}


def _checked(mlp: Any, names: Sequence[str]) -> list[str]:
    """ValueError where the estimator was fitted with layers of other kinds."""
    own = list(others(mlp))
    if names[2 * len(mlp.coefs_) :] != own:
        raise ValueError(
            f"batch_norm and activation of {type(mlp).__name__} have been changed since it was "
            "fitted: its network has other layers; call fit() with warm_start=False"
        )
    return list(names)


def fitted(mlp: Any, dtype: np.dtype[Any]) -> Perceptron:
    """The network, with the parameters that the estimator has now."""
    net = Perceptron(mlp, dtype)
    parameters = mlp.coefs_ + mlp.intercepts_ + list(others(mlp).values())
    set_parameters(net.plan, _checked(mlp, net.names), parameters)
    return net


# ------------------------------------------------------------------------------------- in training
class Kept(BaseOptimizer):
    """What one of deltarule's optimizers remembers between calls, where scikit-learn has its own.

    states: an array for each parameter in each slot behind that of its value; None before the
    first call. learning_rate: as in the optimizer, None for a method that has none.
    """

    def __init__(self, optimizer: Optimizer | FullBatch) -> None:
        self.optimizer = optimizer
        self.learning_rate = getattr(optimizer, "learning_rate", None)
        self.states: list[list[Array]] | None = None
        self.step = 0


def seed_of(mlp: Any) -> int:
    """Of what is random in layers. The stream that splits and shuffles are drawn from stays where
    it is."""
    return int(copy.deepcopy(mlp._random_state).randint(1 << 31))


class Task(Problem):
    """A Problem with a Network in it."""

    def __init__(
        self,
        mlp: Any,
        X: Any,
        y: Array,
        sample_weight: Array | None,
        dtype: npt.DTypeLike,
        optimizer: Any = None,
    ) -> None:
        self._total = float(X.shape[0] if sample_weight is None else sample_weight.sum())
        self.reported = 1.0  # by what reported losses are multiplied
        super().__init__(mlp, X, y, sample_weight, dtype, optimizer)

    def _compile(
        self, mlp: Any, dtype: np.dtype[Any], optimizer: Any
    ) -> tuple[list[str], _fast.Plan]:
        kept = isinstance(optimizer, Kept)
        chosen = optimizer.optimizer if kept else engine_of(optimizer)
        loss: Loss = own_loss(mlp) or loss_of(mlp, dtype)
        penalties, by_batch = np.array([mlp.l1, mlp.alpha / 2], float), True
        if isinstance(chosen, FullBatch) and mlp.loss == "squared_error":
            # scikit-learn's is a mean with the gradient of a sum, which no method that needs the
            # function to go with its gradient can do with; this is twice the mean, with its own
            loss, self.reported, by_batch = MSE(), 0.5, False
            penalties *= 2 / (mlp.coefs_[-1].shape[1] * self._total)
        if mlp.clip_norm is not None:
            chosen = replace(chosen, global_clipnorm=float(mlp.clip_norm))
        self.net = Perceptron(
            mlp,
            dtype,
            loss,
            chosen,
            penalties=(float(penalties[0]), float(penalties[1])),
            by_batch=by_batch,
            seed=seed_of(mlp),
        )
        return _checked(mlp, self.net.names), self.net.plan

    def load(self, parameters: Sequence[Array]) -> None:
        kept = self._optimizer
        if not isinstance(kept, Kept):
            super().load(parameters)
            return
        set_parameters(self.plan, self.names, parameters)
        if kept.states is not None:
            self._set_states(*kept.states)
        self.plan.step = kept.step

    def write_state(self) -> None:
        kept = self._optimizer
        if isinstance(kept, Kept):
            kept.states = [self._state(slot) for slot in range(1, self.plan.n_slots)]
            kept.step = self.plan.step
        else:
            super().write_state()

    @property
    def rate(self) -> float | None:
        """The learning rate of the coming epoch; None where it is not scikit-learn that sets it."""
        if not hasattr(self._optimizer, "velocities"):
            return None
        rates = np.empty(1)
        self._follow_rate(rates)
        return float(rates[0])

    @property
    def data(self) -> Data:
        """The rows as an engine takes them."""
        return _inputs.prepare_x(self._x, None, self.net.dtype), self._t, self._w

    def prepare(self, X: Any, y: Array, sample_weight: Array | None) -> Data:
        """Other rows likewise."""
        x = _inputs.prepare_x(X, None, self.net.dtype)
        w = sample_weight
        return x, self._targets(y), None if w is None else np.ascontiguousarray(w, self.net.dtype)

    def check_batches(self, order: npt.NDArray[np.int64] | None, batch_size: int) -> None:
        """The error of scikit-learn's, or deltarule's, where the weights of a batch have no mean.
        """
        if self._signed:
            self._order, self._batch_size = order, batch_size
            self._check_weights()
