"""What scikit-learn does around training, in less time."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, Self

import numpy as np
import sklearn.neural_network._multilayer_perceptron as stock
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight

from ._random import random_state_of

_PLAIN = frozenset((bool, int, float, str, type(None)))


def _lasts(value: Any) -> bool:
    """Whether it will always be what it is, so that a parameter need be checked once only."""
    kind = type(value)
    return kind in _PLAIN or (kind is tuple and all(type(each) in _PLAIN for each in value))


@lru_cache(1024, typed=True)
def _check_parameter(kind: Any, name: str, value: Any) -> None:
    """scikit-learn's check; of a value that has passed before there is nothing to say."""
    validate_parameter_constraints(kind._parameter_constraints, {name: value}, kind.__name__)


@cache
def _parameter_names(kind: Any) -> list[str]:
    names: list[str] = kind._get_param_names()
    return names


class Fitting(stock.BaseMultilayerPerceptron):
    """Methods of scikit-learn's that take longer than epochs of a small fit, to the same end."""

    def _validate_params(self) -> None:
        """scikit-learn's check, which takes as long as dozens of small epochs, in its order."""
        kind: Any = type(self)
        for name in _parameter_names(kind):
            value = getattr(self, name)
            check = _check_parameter if _lasts(value) else _check_parameter.__wrapped__
            check(kind, name, value)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False
    ) -> Self:
        """scikit-learn's, without what only its own computation needs."""
        sizes = self.hidden_layer_sizes
        hidden = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if np.any(np.array(hidden) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, y = self._validate_input(X, y, incremental, reset=first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        if y.ndim == 1:
            y = y.reshape(-1, 1)
        self.n_outputs_ = y.shape[1]
        units = [X.shape[1], *hidden, self.n_outputs_]
        self._random_state = random_state_of(self.random_state)
        if first:
            self._initialize(y, units, X.dtype)
        buffers = None, None, None, None  # of scikit-learn's
        if self.solver == "lbfgs":
            self._fit_lbfgs(X, y, sample_weight, *buffers, units)
        else:
            self._fit_stochastic(X, y, sample_weight, *buffers, units, incremental)
        if not all(np.isfinite(each).all() for each in self.coefs_ + self.intercepts_):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may"
                " contain large values and need to be preprocessed."
            )
        return self
