"""deltarule's estimators in the place of scikit-learn's, for programs that import them there."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import sklearn.neural_network
import sklearn.neural_network._multilayer_perceptron

from ._mlp import MLPClassifier, MLPRegressor

_MODULES = (sklearn.neural_network, sklearn.neural_network._multilayer_perceptron)
_OURS = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}
_THEIRS = {name: getattr(sklearn.neural_network, name) for name in _OURS}


def _put(classes: Mapping[str, type]) -> None:
    for module in _MODULES:
        for name, estimator in classes.items():
            setattr(module, name, estimator)


def patch(verbose: bool = True) -> None:
    """From now on, `from sklearn.neural_network import MLPClassifier, MLPRegressor` gives
    deltarule's. Names that were imported before stay what they are.

    verbose: say so on stderr, once.
    """
    if is_patched():
        return
    _put(_OURS)
    if verbose:
        print(
            "deltarule: MLPClassifier and MLPRegressor of sklearn.neural_network are deltarule's",
            file=sys.stderr,
        )


def unpatch() -> None:
    """Puts scikit-learn's own back."""
    _put(_THEIRS)


def is_patched() -> bool:
    """Whether `patch` is in force."""
    return all(getattr(sklearn.neural_network, name) is ours for name, ours in _OURS.items())
