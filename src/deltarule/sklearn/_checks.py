"""What of deltarule's own parameters does not go together: errors, before anything has changed."""

from __future__ import annotations

import inspect
from typing import Any

import sklearn.neural_network._multilayer_perceptron as stock
from sklearn.base import is_classifier

from .. import optimizers
from ..callbacks.together import of_fit
from ..optimizers import FullBatch
from ._parameters import is_default
from ._perceptron import activations_of, dropouts_of, invalid, own_loss

_OF_SOLVERS = (
    "solver",
    "learning_rate",
    "learning_rate_init",
    "power_t",
    "momentum",
    "nesterovs_momentum",
    "beta_1",
    "beta_2",
    "epsilon",
)
_DEFAULTS = inspect.signature(stock.MLPClassifier).parameters
_NOT_FOR_LBFGS = (
    "dropout",
    "batch_norm",
    "clip_norm",
    "callbacks",
    "validation_data",
    "scoring",
)


def check(mlp: Any, incremental: bool) -> None:
    """Raises ValueError or TypeError; scikit-learn has seen to the types of parameters."""
    sizes = mlp.hidden_layer_sizes
    n_hidden = len(list(sizes)) if hasattr(sizes, "__iter__") else 1
    if not isinstance(mlp.activation, str):
        activations_of(mlp, n_hidden)
    if not is_default(mlp, "dropout"):
        dropouts_of(mlp, n_hidden)
    if not is_classifier(mlp):
        own_loss(mlp)
        for name, loss in (("quantile", "quantile"), ("huber_delta", "huber")):
            if mlp.loss != loss and not is_default(mlp, name):
                raise ValueError(f"{name} needs loss={loss!r}, got loss={mlp.loss!r}")
    elif incremental and mlp.class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' is not possible in partial_fit, which does not see all "
            "samples: give a dict (see sklearn.utils.class_weight.compute_class_weight)"
        )
    if mlp.callbacks is not None:
        of_fit(mlp.callbacks, False)
    if mlp.scoring is not None and not mlp.early_stopping:
        raise ValueError("scoring needs early_stopping=True")
    if mlp.validation_data is not None and len(mlp.validation_data) not in (2, 3):
        wanted = "(X, y) or (X, y, sample_weight)"
        raise invalid(mlp, "validation_data", wanted, f"{len(mlp.validation_data)} items")
    if mlp.optimizer is not None:
        _check_optimizer(mlp)
    elif mlp.solver == "lbfgs":
        _check_lbfgs(mlp)
    if mlp.keep_curvature and not (
        mlp.solver == "lbfgs" and mlp.optimizer is None and mlp.warm_start
    ):
        raise ValueError("keep_curvature=True needs solver='lbfgs' and warm_start=True")


def _check_optimizer(mlp: Any) -> None:
    for name in _OF_SOLVERS:
        value = getattr(mlp, name)
        if value != _DEFAULTS[name].default:
            raise ValueError(
                f"{name} has no effect where optimizer is given, got {name}={value!r}: say it of "
                "the optimizer, such as deltarule.Adam(learning_rate=0.01)"
            )
    optimizer = optimizers.get(mlp.optimizer)
    if getattr(optimizer, "average", None) is not None:
        raise ValueError(
            "optimizer must have no average of weights: coefs_ are what predicts and what is "
            f"trained, got {optimizer!r}"
        )
    if isinstance(optimizer, FullBatch) and mlp.clip_norm is not None:
        raise ValueError(f"clip_norm has no effect on {optimizer!r}")


def _check_lbfgs(mlp: Any) -> None:
    for name in _NOT_FOR_LBFGS:
        if not is_default(mlp, name):
            raise ValueError(
                f"{name} needs solver='sgd' or 'adam', or optimizer: there is none of it with "
                "solver='lbfgs'"
            )
    if any(kind == "prelu" for kind in _kinds(mlp)):
        raise ValueError("activation 'prelu', which learns, needs solver='sgd' or 'adam'")


def _kinds(mlp: Any) -> list[str]:
    given = mlp.activation if isinstance(mlp.activation, list | tuple) else [mlp.activation]
    return [one if isinstance(one, str) else one.kind for one in given]
