"""scikit-learn's multilayer perceptrons."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from ..cases import Array, Case
from . import System


class _Net(System):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        warnings.simplefilter("ignore", ConvergenceWarning)
        kind = MLPRegressor if case.loss == "mse" else MLPClassifier
        self.model = kind(
            hidden_layer_sizes=case.widths[1:-1],
            activation={"sigmoid": "logistic"}.get(case.hidden, case.hidden),
            solver=case.optimizer,
            alpha=0,
            batch_size=case.batch,
            learning_rate_init=case.learning_rate,
            momentum=0,
            shuffle=case.steps > 1,
            tol=0,
            n_iter_no_change=10**9,
            max_iter=1,
            warm_start=True,  # fit goes on from the weights that there are
            random_state=0,
        )
        if case.loss == "binary_cross_entropy":
            self.t = self.t[:, 0]
        self.first = case.parameters()

    def fit(self, x: Array, t: Array, epochs: int) -> None:
        self.model.set_params(max_iter=epochs)
        self.model.fit(x, t)

    def parameters(self) -> list[Array]:
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [array for pair in pairs for array in pair]

    def reset(self) -> None:
        for mine, first in zip(self.parameters(), self.first, strict=True):
            mine[:] = first

    def result(self) -> list[Array]:
        return self.parameters()


class Fit(_Net):
    """Several epochs a call, which saves it the checks of partial_fit."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        self.fit(self.x, self.t, 1)
        self.reset()

    def run(self, n: int) -> None:
        if n:
            self.fit(self.x, self.t, n)


class Predict(_Net):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        labels = np.arange(case.widths[-1])
        self.model.set_params(batch_size="auto")
        self.fit(np.zeros((len(labels), case.widths[0]), case.dtype), labels, 1)
        self.reset()

    def run(self, n: int) -> None:
        for _ in range(n):
            self.output = self.model.predict_proba(self.x)

    def result(self) -> list[Array]:
        return [self.output]
