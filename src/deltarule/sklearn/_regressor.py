"""Any network as a regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context

from ..losses import GaussianNLL, Loss
from ._docs import documented
from ._network import Array, NetworkEstimator


@documented
class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """Any network of deltarule as a regressor.

    The usual loss is "mse".

    Attributes
    ----------
    n_outputs_ : int
        Number of targets.
    """

    n_outputs_: int

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over the given data, from where training is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target values.

        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, finite and >= 0.

        Returns
        -------
        self : object
            The estimator.
        """
        self._train(X, y, sample_weight, 1, True)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict target values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        return_std : bool, default=False
            Whether to return the standard deviations, too, which the loss "gaussian_nll" learns.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predicted values; with the loss Quantile of several levels these are the last
            dimension.

        std : ndarray of the same shape
            The standard deviations. Only returned when `return_std` is True.
        """
        y = self._meaning(self._outputs(X))
        loss = self.network_.loss
        y = y.reshape(len(y), self.n_outputs_, loss.per_target)
        y = y[:, 0] if self._one else y
        if not isinstance(loss, GaussianNLL):
            if return_std:
                raise ValueError(f"return_std=True needs loss 'gaussian_nll', got {loss.kind!r}")
            return y if loss.per_target > 1 else y[..., 0]
        mean, std = y[..., 0], np.sqrt(np.exp(y[..., 1]) + y.dtype.type(loss.eps))
        return (mean, std) if return_std else mean

    def _look_at(self, y: Array, labels: Any, again: bool) -> None:
        n = 1 if y.ndim == 1 else y.shape[1]
        if again and n != self.n_outputs_:
            raise ValueError(f"y must have {self.n_outputs_} targets as before, got {n}")
        self.n_outputs_, self._one = n, y.ndim == 1

    def _n_targets(self) -> int:
        return self.n_outputs_

    def _usual_loss(self) -> str:
        return "mse"

    def _width(self, loss: Loss) -> int:
        if loss.targets in ("classes", "labels", "bits", "signs"):
            raise ValueError(f"NetworkRegressor needs a loss of numbers, got {loss.kind!r}")
        return self.n_outputs_ * loss.per_target
