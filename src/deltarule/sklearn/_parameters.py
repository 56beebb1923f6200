"""The parameters that these estimators have beside scikit-learn's, all by keyword.

With their defaults nothing is other than in scikit-learn.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeVar

import numpy as np
from sklearn.utils._param_validation import Hidden, Interval, Options, StrOptions

from .. import activations, optimizers
from ..activations import Activation
from ..optimizers import FullBatch, Optimizer

C = TypeVar("C", bound=type)

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")  # scikit-learn's
LOSSES = ("log_loss", "squared_error", "poisson")


class Parameter(NamedTuple):
    """allowed: as in _parameter_constraints. says: for the docstring."""

    default: Any
    allowed: list[Any]
    kind: str
    says: str


SHARED = {
    "dropout": Parameter(
        0.0,
        [Interval(Real, 0, 1, closed="left"), "array-like"],
        "float or list of float, default=0.0",
        """
        The chance with which what a hidden layer puts out becomes 0 in training, each
        number by itself; the others are divided by 1 - dropout (Srivastava et al., 2014).
        One for all hidden layers, or one for each. Not with ``solver='lbfgs'``.
        """,
    ),
    "batch_norm": Parameter(
        False,
        ["boolean"],
        "bool, default=False",
        """
        Whether there is a batch normalisation (Ioffe and Szegedy, 2015) in each hidden layer,
        before its activation. What it learns is in ``other_parameters_``. Not with
        ``solver='lbfgs'``, and a batch has to have two rows or more.
        """,
    ),
    "l1": Parameter(
        0.0,
        [Interval(Real, 0, None, closed="left")],
        "float, default=0.0",
        """
        Strength of the L1 penalty: adds l1 * sum(abs(coefs)) to the loss, divided by the sample
        size as that of `alpha` is.
        """,
    ),
    "clip_norm": Parameter(
        None,
        [Interval(Real, 0, None, closed="neither"), None],
        "float or None, default=None",
        """
        The largest norm of the gradient of all parameters together; one that is longer is
        shortened to it before an update. Not with methods that need all rows at once.
        """,
    ),
    "optimizer": Parameter(
        None,
        [StrOptions(set(optimizers.TABLE)), Optimizer, FullBatch, None],
        "str, object of deltarule.optimizers or None, default=None",
        """
        In the place of `solver` and all that is said of it: a name such as ``'adamw'``, or an
        object such as ``AdamW(1e-3, weight_decay=0.1)``, with a schedule of the learning rate
        or without. With `LBFGS` and `LevenbergMarquardt` an iteration takes all rows. Those
        with an average of weights are refused: `coefs_` are what predicts, and what is trained.
        """,
    ),
    "callbacks": Parameter(
        None,
        [list, tuple, None],
        "list of deltarule.callbacks.Callback or None, default=None",
        """
        What is called during training, such as ``deltarule.EarlyStopping('loss')``. Values to
        monitor are ``'loss'`` and, where rows are held out, ``'val_loss'``. Calls of
        `partial_fit` are epochs of one training. Not with ``solver='lbfgs'``.
        """,
    ),
    "validation_data": Parameter(
        None,
        [tuple, list, None],
        "tuple (X, y) or (X, y, sample_weight) or None, default=None",
        """
        Rows to measure the loss on after each epoch (`validation_loss_curve_`) and, with
        ``early_stopping=True``, the score, so that none are split off. With them
        `partial_fit` takes ``early_stopping=True``, too: when the score has not got better for
        long enough, `stopped_` says so and `coefs_` are the best ones. Not with
        ``solver='lbfgs'``.
        """,
    ),
    "scoring": Parameter(
        None,
        [str, callable, None],
        "str, callable or None, default=None",
        """
        What ``early_stopping=True`` looks at: None, the score of the estimator; ``'loss'``,
        the loss of the rows held out, penalties included, less being better
        (`validation_scores_` are negative then); or a scorer of scikit-learn, such as
        ``'f1_macro'``.
        """,
    ),
    "dtype": Parameter(
        None,
        [StrOptions({"float32", "float64"}), Options(type, {np.float32, np.float64}), None],
        "{'float32', 'float64'} or None, default=None",
        """
        What to compute in, whatever X comes in, and of what `coefs_` are. None: that of X.
        L-BFGS computes in float64 and rounds at its end.
        """,
    ),
    "n_threads": Parameter(
        None,
        [Interval(Integral, 1, None, closed="left"), None],
        "int or None, default=None",
        """
        The most threads that training and prediction use; None: as many as
        ``deltarule.get_num_threads()`` says. It holds for the whole process while a call
        lasts. Results do not depend on it.
        """,
    ),
    "keep_curvature": Parameter(
        False,
        ["boolean"],
        "bool, default=False",
        """
        With ``solver='lbfgs'`` and ``warm_start=True``: whether `fit` goes on with what the
        ones before have learnt of the curvature, in the last 10 steps, so that many short
        calls get about as far as a long one.
        """,
    ),
}
CLASSIFIER = {
    "class_weight": Parameter(
        None,
        [dict, list, StrOptions({"balanced"}), None],
        "dict, list of dict, 'balanced' or None, default=None",
        """
        Weights of classes, ``{label: weight}``, 1 where there is none, which multiply those of
        samples; ``'balanced'``: n_samples / (n_classes * samples of the class), not for
        `partial_fit`. Where samples have several labels, a list of a dict
        ``{0: weight, 1: weight}`` for each column.
        """,
    ),
}
REGRESSOR = {
    "quantile": Parameter(
        0.5,
        [Interval(Real, 0, 1, closed="neither"), "array-like"],
        "float or list of float, default=0.5",
        """
        The level of ``loss='quantile'``, or up to 99 levels: `predict` gives a column for each
        then, (n_samples, n_levels), those of one target after the other. Nothing keeps the
        quantiles of a sample in order.
        """,
    ),
    "huber_delta": Parameter(
        1.0,
        [Interval(Real, 0, None, closed="neither")],
        "float, default=1.0",
        """
        Where ``loss='huber'`` goes over from squares to absolute values.
        """,
    ),
}
# of parameters that scikit-learn has, what else they may be; messages stay scikit-learn's
_WIDER = {
    "activation": [
        Hidden(StrOptions(set(activations.TABLE))), *map(Hidden, (Activation, list, tuple))
    ],
    "loss": [Hidden(StrOptions({"absolute_error", "huber", "quantile"}))],
}
_ALSO = """
activation may also be any of `deltarule.activations`, by its name or an object such as
``LeakyReLU(0.2)``, or a list with one of these for each hidden layer. First weights are drawn as
scikit-learn draws them, whatever follows: for relu, or for logistic.
"""
_LOSSES = """
loss may also be ``'absolute_error'``, ``'huber'`` or ``'quantile'``: means over the outputs
(Huber, 1964; Koenker and Bassett, 1978), and so are their gradients.
"""
_ATTRIBUTES = """
other_parameters_ : dict of ndarray
    What layers beside the dense ones have learnt: weight, bias and running statistics of each
    batch normalisation, slopes of "prelu", by deltarule's names of parameters. Only there where
    there are any; like `coefs_` they may be changed at any time.

validation_loss_curve_ : list of shape (`n_iter_`,)
    The loss of the rows held out, penalties included, after each epoch. Only there where one of
    deltarule's own parameters is in use and rows are held out.

stopped_ : str or None
    Why training has ended; None: it has not, but for `max_iter`. Only there where one of
    deltarule's own parameters is in use.
"""


def of(mlp: Any) -> dict[str, Parameter]:
    """Those that an estimator has beside scikit-learn's."""
    own: dict[str, Parameter] = type(mlp)._own_parameters
    return own


def is_default(mlp: Any, name: str) -> bool:
    """Whether a parameter is left as it is."""
    value, default = getattr(mlp, name), of(mlp)[name].default
    return value is default or (isinstance(value, Real | str) and bool(value == default))


def extended(base: Any, more: Mapping[str, Parameter]) -> Callable[[C], C]:
    """Gives an estimator these parameters by keyword, beside those of scikit-learn's, its base: in
    its constructor and signature, checks and docstring."""
    own = {**SHARED, **more}

    def extend(cls: Any) -> Any:
        theirs = base.__init__
        signature = inspect.signature(theirs)

        @functools.wraps(theirs)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            for name, parameter in own.items():
                setattr(self, name, kwargs.pop(name, parameter.default))
            theirs(self, *args, **kwargs)

        keyword = inspect.Parameter.KEYWORD_ONLY
        added = [inspect.Parameter(k, keyword, default=p.default) for k, p in own.items()]
        known = [*signature.parameters.values(), *added]
        __init__.__signature__ = signature.replace(parameters=known)  # type: ignore[attr-defined]
        constraints = {**cls._parameter_constraints, **{k: p.allowed for k, p in own.items()}}
        wider = {k: constraints[k] + also for k, also in _WIDER.items() if k in constraints}
        cls.__init__, cls._own_parameters = __init__, own
        cls._parameter_constraints = constraints | wider
        cls.__doc__ = _docstring(cls, own, "loss" in wider)
        return cls

    return extend


def _docstring(cls: Any, own: Mapping[str, Parameter], has_loss: bool) -> str:
    """Its own words and sections; `documented` adds what scikit-learn says."""
    paragraphs = [
        f"{name} : {p.kind}\n{inspect.cleandoc(p.says)}".replace("\n", "\n    ")
        for name, p in own.items()
    ]
    also = _ALSO + (_LOSSES if has_loss else "")
    parameters = "Parameters\n----------\n" + "\n\n".join(paragraphs)
    attributes = f"Attributes\n----------{_ATTRIBUTES}"
    return f"{inspect.cleandoc(cls.__doc__ or '')}\n{also}\n{parameters}\n\n{attributes}"
