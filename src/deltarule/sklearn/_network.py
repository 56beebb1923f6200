"""Any network as an estimator: what classifiers and regressors have in common."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.special import expit, softmax
from sklearn.base import _fit_context, is_regressor
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .. import losses
from .._spec import describe
from ..callbacks import Callback, Training
from ..history import History
from ..layers import Dense, Layer, output_activation, output_shape
from ..losses import Loss
from ..metrics import Metric
from ..network import Network
from ..optimizers import FullBatch, Optimizer
from ._mlp import _is_plain
from ._nested import WithParts
from ._tasks import Tasks

Array = npt.NDArray[Any]
Given = Network | Sequence[Layer] | Callable[..., Network | Sequence[Layer]] | None

_TYPES = (np.float64, np.float32, np.uint8, np.bool_)  # that a network reads as they are
_FACTS = ("layers", "loss", "optimizer", "metrics", "dtype", "backend", "seed")
# what a loss has in it, for networks that put out what comes before that
_LINKS: Mapping[str, Callable[[Array], Array]] = {
    "softmax": lambda y: softmax(y, axis=1),
    "sigmoid": expit,
    "exp": np.exp,
}


def _going_on(old: Network, new: Network) -> Network:
    """`old`, if it is what `new` is; else `new`, with the parameters of `old`."""
    if all(getattr(old, fact) == getattr(new, fact) for fact in _FACTS):
        return old
    if old.layers != new.layers:
        raise ValueError(
            f"training cannot go on with other layers: so far they were {list(old.layers)}, now "
            f"they are {list(new.layers)}"
        )
    if old.built:
        assert old.input_shape is not None
        new.build(old.input_shape)
        new.set_parameters(old.parameters())
    return new


class _Follower(Callback):
    """Tells an estimator that its fit has begun, and scikit-learn's callbacks of epochs."""

    def __init__(self, begin: Callable[[Training], None], tasks: Tasks | None) -> None:
        self._begin, self._tasks = begin, tasks
        self.begun = False

    def on_fit_begin(self, training: Training) -> None:
        self.begun = True
        self._begin(training)

    def on_epoch_begin(self, training: Training) -> None:
        if self._tasks is not None:
            self._tasks.begin_epoch()

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        if self._tasks is not None and self._tasks.end_epoch(
            lambda: {"network_": copy.deepcopy(training.network)}
        ):
            training.stop("a callback of scikit-learn has asked for it")


class NetworkEstimator(CallbackSupportMixin, WithParts):
    """The base of both.

    Parameters
    ----------
    network : list of layers, Network or callable, default=None
        What is trained: a copy, what is given stays as it is.

        - A list of layers: the hidden ones. The last layer, with as many outputs as y and the loss
          need and the activation that suits the loss, is added to them. None is one such layer,
          `[Dense(100, "relu")]`.
        - A Network, its last layer included. If it is built, training begins with its parameters.
        - A function that returns one of these. It is called with the number of features and that
          of the classes (of labels, where a row may have several; of targets). Other arguments
          that have defaults are parameters, too: `network__width`.

    loss : str or Loss, default=None
        None: that of the Network, or one that suits y.

    optimizer : str or Optimizer, default=None
        None: that of the Network, or Adam with a learning rate of 0.001.

    metrics : list of str or Metric, default=None
        What `history_` and callbacks get to know beside the loss. None: those of the Network, or
        none.

    epochs : int, default=100
        Epochs of each `fit`.

    batch_size : int, default=None
        Rows of an update. None: 32, or all where the optimizer needs them.

    shuffle : bool, default=True
        Whether rows come in a new order every epoch.

    validation_split : float, default=0.0
        The share of the rows (and of each class) that is held out and measured after each epoch,
        for callbacks.

    callbacks : list of Callback, default=None
        Of `deltarule.callbacks`: EarlyStopping, ModelCheckpoint, ... Those of scikit-learn are set
        by `set_callbacks`.

    dtype : {"float32", "float64"}, default=None
        Of parameters and arithmetic. None: that of the Network, or "float32".

    random_state : int, RandomState instance, default=None
        Of first weights and orders of rows. An int is the seed of the network. None: the seed of
        the Network, or else another one for each fit.

    warm_start : bool, default=False
        Whether `fit` goes on with the network of before, the state of the optimizer included. If
        loss, optimizer, metrics or dtype have been changed since, the parameters are kept alone.

    verbose : bool or "auto", default=False
        Whether there is a progress bar; "auto": in a terminal.

    Attributes
    ----------
    network_ : Network
        The trained network: `network_.save(path)`, `network_.summary()`.

    history_ : History
        Loss and metrics of each epoch of the last `fit` or `partial_fit`.

    n_features_in_ : int
        Number of features seen during :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during :term:`fit`. Defined only when `X`
        has feature names that are all strings.
    """

    n_features_in_: int
    network_: Network
    history_: History

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "network": [Network, list, tuple, callable, None],
        "loss": [str, Loss, None],
        "optimizer": [str, Optimizer, FullBatch, None],
        "metrics": [list, tuple, None],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "shuffle": ["boolean"],
        "validation_split": [Interval(Real, 0, 1, closed="left")],
        "callbacks": [list, tuple, None],
        "dtype": [StrOptions({"float32", "float64"}), None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["boolean", StrOptions({"auto"})],
    }

    def __init__(
        self,
        network: Given = None,
        *,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer | FullBatch | None = None,
        metrics: Iterable[str | Metric] | None = None,
        epochs: int = 100,
        batch_size: int | None = None,
        shuffle: bool = True,
        validation_split: float = 0.0,
        callbacks: Iterable[Callback] | None = None,
        dtype: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: bool | str = False,
    ) -> None:
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.dtype = dtype
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    # -------------------------------------------------------------------------------- the network
    def _made(self, again: bool) -> Network:
        """The network to train, built: a new one, or that of before."""
        given: Any = [Dense(100, "relu")] if self.network is None else self.network
        if callable(given):
            given = given(self.n_features_in_, self._n_targets())
            if not isinstance(given, Network | list | tuple):
                wanted = "the function `network` must return a Network or a list of layers, got"
                raise TypeError(f"{wanted} {describe(given)}")
        facts = {name: getattr(self, name) for name in ("loss", "optimizer", "metrics", "dtype")}
        facts = {name: value for name, value in facts.items() if value is not None}
        if again:
            facts["seed"] = self.network_.seed
        elif isinstance(self.random_state, Integral):
            facts["seed"] = int(self.random_state)
        elif self.random_state is not None or not isinstance(given, Network):
            facts["seed"] = int(check_random_state(self.random_state).randint(2**31 - 1))
        if isinstance(given, Network):
            network = Network(**{fact: getattr(given, fact) for fact in _FACTS} | facts)
        else:
            loss = losses.get(facts.pop("loss", self._usual_loss()))
            last = loss.link if loss.logits else (*loss.outputs, "identity")[0]
            network = Network([*given, Dense(self._width(loss), last)], loss, **facts)
        if again:
            network = _going_on(self.network_, network)
        elif isinstance(given, Network):
            network = _going_on(copy.deepcopy(given), network)
        needs = self._width(network.loss)
        network.build(self.n_features_in_)
        has = math.prod(output_shape(network.layers, (self.n_features_in_,)))
        if has != needs:
            raise ValueError(
                f"the network puts out {has} numbers a row, and loss {network.loss.kind!r} needs "
                f"{needs} for this y"
            )
        return network

    # ----------------------------------------------------------------------------------- training
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network; with `warm_start=True` go on with the one of before.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target values: labels, or real numbers in regression.

        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, finite and >= 0.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        tasks = Tasks.of(self, X, y, sample_weight, self.epochs)
        self._train(X, y, sample_weight, self.epochs, self.warm_start, tasks=tasks)
        if tasks is not None:
            tasks.end()
        return self

    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        epochs: int,
        again: bool,
        *,
        labels: Any = None,
        tasks: Tasks | None = None,
    ) -> None:
        """Before training has begun all is as it was, whatever is wrong; from then on all is of the
        new fit, whatever ends it."""
        again = again and hasattr(self, "network_")
        before, follower = vars(self).copy(), _Follower(self._begin, tasks)
        try:
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse="csr",
                dtype=_TYPES,
                multi_output=True,
                y_numeric=is_regressor(self),
                reset=not again,
            )
            y = y.toarray() if scipy.sparse.issparse(y) else y
            y = column_or_1d(y, warn=True) if y.shape[1:] == (1,) else y
            if sample_weight is not None:
                sample_weight = _check_sample_weight(sample_weight, X)
            self._look_at(y, labels, again)
            network = self._made(again)
            network.fit(
                X,
                self._targets(y, network.loss),
                sample_weight=sample_weight,
                class_weight=self._class_weight(),
                epochs=epochs,
                batch_size=self.batch_size,
                shuffle=self.shuffle,
                validation_split=self.validation_split,
                callbacks=[*(self.callbacks or ()), follower],
                verbose=self.verbose,
            )
        except BaseException:
            if not follower.begun:
                self.__dict__ = before
            raise

    def _begin(self, training: Training) -> None:
        self.network_, self.history_ = training.network, training.history

    # ------------------------------------------------------------------------------------ answers
    def _outputs(self, X: Any) -> Array:
        """What the network puts out for rows X, (n, numbers)."""
        own = vars(self)
        named = "feature_names_in_" in own
        if named or not _is_plain(X, 2) or X.shape[1] != own.get("n_features_in_"):
            check_is_fitted(self)  # and what else scikit-learn has to say, or to change
            X = validate_data(self, X, accept_sparse="csr", dtype=_TYPES, reset=False)
        return self.network_.predict(X).reshape(X.shape[0], -1)

    def _meaning(self, y: Array) -> Array:
        """Chances and rates, where the network puts out their logarithms or logits."""
        last, loss = output_activation(self.network_.layers).kind, self.network_.loss
        if last == "log_softmax":
            chances: Array = np.exp(y)
            return chances
        return _LINKS[loss.link](y) if loss.logits and last == "identity" else y

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # ------------------------------------------------------------------- what each does in its way
    def _look_at(self, y: Array, labels: Any, again: bool) -> None:
        """Takes from y, or from the labels that there will be, what is to be known of it."""
        raise NotImplementedError

    def _n_targets(self) -> int:
        """Classes, labels or targets: what functions that build networks are told."""
        raise NotImplementedError

    def _usual_loss(self) -> str:
        """Where none has been chosen."""
        raise NotImplementedError

    def _width(self, loss: Loss) -> int:
        """The outputs that a loss needs for y; ValueError where it does not go with y."""
        raise NotImplementedError

    def _targets(self, y: Array, loss: Loss) -> Array:
        """As Network.fit takes y."""
        return y

    def _class_weight(self) -> Any:
        """As Network.fit takes it."""
        return None
