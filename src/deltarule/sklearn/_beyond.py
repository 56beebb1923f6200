"""What these estimators do that scikit-learn's do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn.neural_network._multilayer_perceptron as stock
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import _layerwise, ops, optimizers
from .._kinds import Mode
from .._layerwise import Step
from ..config import using_threads
from ..optimizers import FullBatch
from ..sources.samples import rows_of_a_batch
from . import _curvature
from ._checks import check
from ._parameters import ACTIVATIONS
from ._perceptron import (
    Kept,
    Task,
    first_others,
    fitted,
    others,
    predicts_otherwise,
    trains_otherwise,
)
from ._training import Progress, train

Array = npt.NDArray[Any]
_FITTED = (
    "other_parameters_",
    "_best_others",
    "validation_loss_curve_",
    "stopped_",
    "_progress",
    "_curvature",
)


class Beyond(stock.BaseMultilayerPerceptron):
    """The parameters that are not scikit-learn's, in the methods where they matter; where they are
    left as they are, all is left to those of the classes behind."""

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False
    ) -> Any:
        check(self, incremental)
        with using_threads(self.n_threads):
            super()._fit(X, y, sample_weight, incremental)
        if self.dtype is not None:  # L-BFGS is scipy's, in float64
            for arrays in (self.coefs_, self.intercepts_):
                arrays[:] = [array.astype(self.dtype, copy=False) for array in arrays]
        return self

    # ------------------------------------------------------------------------------- what comes in
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = super()._validate_input(X, y, incremental, reset)
        if not is_classifier(self):
            y = self._for_each_level(y)
        return self._cast(X), y

    def _cast(self, X: Any) -> Any:
        if self.dtype is None or X.dtype == self.dtype:
            return X
        with np.errstate(over="ignore", invalid="ignore"):  # it says what is too large
            return check_array(X, accept_sparse=["csr", "csc"], dtype=self.dtype, estimator=self)

    def _for_each_level(self, y: Array) -> Array:
        """A column of targets for each output."""
        if self.loss != "quantile" or np.size(self.quantile) == 1:
            return y
        return np.repeat(y.reshape(len(y), -1), np.size(self.quantile), axis=1)

    def _encoded(self, y: Array) -> Array:
        """Labels as the outputs of the network are; numbers as they are."""
        if not is_classifier(self):
            return y
        encoded: Array = self._label_binarizer.transform(y).astype(bool)
        return encoded

    def _weighted(self, y: Array, sample_weight: Array | None, dtype: Any) -> Array | None:
        """Weights of samples and of their classes. y (n, n_outputs_), encoded."""
        given = getattr(self, "class_weight", None)
        if given is None:
            return sample_weight
        if self._label_binarizer.y_type_.startswith("multilabel"):
            of_class = compute_sample_weight(given, y.astype(int))
        else:
            numbers = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(int)
            labels = self.classes_[numbers]
            table = compute_class_weight(given, classes=self.classes_, y=labels)
            of_class = table[numbers]
        if not (np.isfinite(of_class).all() and (of_class >= 0).all()):
            raise ValueError(f"class_weight must have finite numbers >= 0, got {given!r}")
        weights: Array = of_class.astype(dtype)
        return weights if sample_weight is None else weights * sample_weight

    # ----------------------------------------------------------------------------- first weights
    def _initialize(self, y: Array, layer_units: Any, dtype: Any) -> None:
        for name in _FITTED:
            self.__dict__.pop(name, None)
        super()._initialize(y, layer_units, dtype)
        if predicts_otherwise(self):
            found = first_others(self, np.dtype(dtype))
            if found:
                self.other_parameters_ = found
                self._best_others = {name: array.copy() for name, array in found.items()}

    def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> tuple[Array, Array]:
        if self.activation in ACTIVATIONS:
            drawn: tuple[Array, Array] = super()._init_coef(fan_in, fan_out, dtype)
            return drawn
        given = self.activation
        kinds = list(given) if isinstance(given, list | tuple) else [given]
        kind = kinds[min(len(self.coefs_), len(kinds) - 1)] if kinds else "relu"
        squashes = kind == "logistic" or getattr(kind, "kind", kind) == "sigmoid"
        bound = np.sqrt((2.0 if squashes else 6.0) / (fan_in + fan_out))
        coef = self._random_state.uniform(-bound, bound, (fan_in, fan_out))
        intercept = self._random_state.uniform(-bound, bound, fan_out)
        return coef.astype(dtype, copy=False), intercept.astype(dtype, copy=False)

    # ------------------------------------------------------------------------------------ training
    def _parameters(self) -> list[Array]:
        found: list[Array] = super()._parameters()
        return found + list(others(self).values())

    def _problem(
        self, X: Any, y: Array, sample_weight: Array | None, dtype: Any, optimizer: Any = None
    ) -> Any:
        if trains_otherwise(self):
            return Task(self, X, y, sample_weight, dtype, optimizer)
        return super()._problem(X, y, sample_weight, dtype, optimizer)

    def _fit_lbfgs(
        self, X: Any, y: Array, sample_weight: Array | None, *rest: Any
    ) -> None:
        weight = self._weighted(y, sample_weight, X.dtype)
        if self.keep_curvature:
            if self._tasks is not None:
                raise ValueError("keep_curvature=True knows no callbacks of scikit-learn's")
            _curvature.fit(self, X, y, weight, self._problem(X, y, weight, np.float64))
        else:
            super()._fit_lbfgs(X, y, weight, *rest)

    def _fit_stochastic(
        self, X: Any, y: Array, sample_weight: Array | None, *rest: Any
    ) -> None:
        super()._fit_stochastic(X, y, self._weighted(y, sample_weight, X.dtype), *rest)

    def _new_optimizer(self, parameters: list[Array]) -> Any:
        self.__dict__.pop("_progress", None)
        if self.optimizer is None:
            return super()._new_optimizer(parameters)
        return Kept(optimizers.get(self.optimizer))

    def _rows_of_a_batch(self, n: int) -> int:
        kept = self._optimizer
        if isinstance(kept, Kept) and isinstance(kept.optimizer, FullBatch):
            size = None if self.batch_size == "auto" else self.batch_size
            return rows_of_a_batch(kept.optimizer, size, n)
        rows: int = super()._rows_of_a_batch(n)
        return rows

    def _epochs(
        self,
        problem: Any,
        parameters: list[Array],
        batch_size: int,
        dtype: np.dtype[Any],
        held_out: Any,
        incremental: bool,
    ) -> None:
        if not isinstance(problem, Task):
            super()._epochs(problem, parameters, batch_size, dtype, held_out, incremental)
            return
        self.n_iter_, self.stopped_ = 0, None
        if not hasattr(self, "_progress"):
            self._progress = Progress()
        if held_out is not None and not hasattr(self, "validation_loss_curve_"):
            self.validation_loss_curve_: list[float] = []
        epochs = 1 if incremental else self.max_iter
        self.stopped_ = train(self, problem, parameters, batch_size, dtype, held_out, epochs)
        if self.stopped_ is None and not incremental:
            self._warn_of_no_end()

    # ---------------------------------------------------------------------------------- validation
    def _hold_out(
        self, X: Any, y: Array, sample_weight: Array | None, incremental: bool
    ) -> tuple[Any, Any]:
        if self.validation_data is None:
            split: tuple[Any, Any] = super()._hold_out(X, y, sample_weight, incremental)
            return split
        return (X, y, sample_weight), self._validation_rows()

    def _validation_rows(self) -> tuple[Any, Array, Array | None]:
        """X, y as it is scored, sample_weight."""
        X, y, sample_weight = (*self.validation_data, None)[:3]
        X = validate_data(
            self, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=False
        )
        X = self._cast(X)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        y = check_array(
            y, ensure_2d=False, dtype=None if is_classifier(self) else X.dtype, input_name="y"
        )
        check_consistent_length(X, y)
        if is_classifier(self):
            several = self._label_binarizer.y_type_.startswith("multilabel")
            y = y if several else column_or_1d(y)
            unknown = np.setdiff1d(unique_labels(y), self.classes_)
            if len(unknown):
                raise ValueError(
                    f"validation_data has classes that `y` has not: {unknown}; `y` has "
                    f"{self.classes_}"
                )
        else:
            y = self._for_each_level(y).reshape(len(y), -1)
        if self._encoded(y).shape[1] != self.n_outputs_:
            raise ValueError(
                f"validation_data must have as many targets as `y`, got an array of shape {y.shape}"
            )
        return X, y, sample_weight

    def _score(self, X: Any, y: Array, sample_weight: Array | None = None) -> float:
        if self.scoring is None:
            score: float = self._stock_score(X, y, sample_weight)
            return score
        if self.scoring == "loss":
            return -self.validation_loss_curve_[-1]
        if not np.isfinite(self._forward_pass_fast(X, check_input=False)).all():
            return np.nan
        names = self.__dict__.pop("feature_names_in_", None)  # X is an array by now
        try:
            scorer = check_scoring(self, self.scoring)
            weight = {} if sample_weight is None else {"sample_weight": sample_weight}
            return float(scorer(self, X, y, **weight))
        finally:
            if names is not None:
                self.feature_names_in_ = names

    def _update_no_improvement_count(
        self, early_stopping: bool, X: Any, y: Any, sample_weight: Any
    ) -> None:
        before = getattr(self, "best_validation_score_", None)
        super()._update_no_improvement_count(early_stopping, X, y, sample_weight)
        if others(self) and self.best_validation_score_ != before:
            self._best_others = {name: array.copy() for name, array in others(self).items()}

    def _put_best(self, incremental: bool) -> None:
        if not incremental:
            super()._put_best(incremental)
        elif self.stopped_ is None:
            return
        else:  # and what goes on from there begins to count anew
            self._no_improvement_count = 0
            self.coefs_ = [array.copy() for array in self._best_coefs]
            self.intercepts_ = [array.copy() for array in self._best_intercepts]
        if others(self):
            best = {name: array.copy() for name, array in self._best_others.items()}
            self.other_parameters_ = best

    # ---------------------------------------------------------------------------------- prediction
    def _outputs(self, X: Any) -> Array:
        if self.dtype is self.n_threads is None and not predicts_otherwise(self):
            plain: Array = super()._outputs(X)
            return plain
        check_is_fitted(self)
        return self._forward_pass_fast(X)

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> Array:
        if self.dtype is self.n_threads is None and not predicts_otherwise(self):
            plain: Array = super()._forward_pass_fast(X, check_input)
            return plain
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        X = self._cast(X)
        with using_threads(self.n_threads):
            if not predicts_otherwise(self):
                plain = super()._forward_pass_fast(X, check_input=False)
                return plain
            return fitted(self, self._computed(X)).predict(X)

    def _computed(self, X: Any) -> np.dtype[Any]:
        """What rows X are computed in."""
        found = np.result_type(X.dtype, *self._parameters())
        return found if found in (np.float32, np.float64) else np.dtype(np.float64)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy of a classifier, R2 of a regressor.

        Raises ValueError for several quantiles, of which R2 says nothing.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True labels or target values.

        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        score : float
            At best 1.0.
        """
        if not is_classifier(self) and self.loss == "quantile" and np.size(self.quantile) > 1:
            raise ValueError(
                "score() has no meaning for several quantiles: use "
                "sklearn.metrics.mean_pinball_loss(y, predict(X)[:, i], alpha=quantile[i])"
            )
        found: float = super().score(X, y, sample_weight)
        return found

    # ------------------------------------------------------------------------------- looking inside
    def _walked(self, X: Any) -> list[Step]:
        """What each operation of a prediction puts out for rows X."""
        check_is_fitted(self)
        X = self._cast(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False))
        dtype = self._computed(X)
        net = fitted(self, dtype)
        x = check_array(X.toarray() if hasattr(X, "toarray") else X, dtype=dtype, order="C")
        return _layerwise.forward(
            ops, net.plan.graph, net.parameters(), x, Mode.PREDICT, step=0
        )

    def hidden_activations(self, X: Any) -> list[Array]:
        """What each hidden layer puts out.

        Raises NotFittedError, and ValueError as `predict` does.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        Returns
        -------
        activations : list of ndarray of shape (n_samples, n_units)
            Of the first hidden layer, then of the others.
        """
        with using_threads(self.n_threads):
            steps = self._walked(X)
        dense = [s for s in steps if s.node.kind == "dense" and s.sources == s.node.sources]
        return [step.inputs[0] for step in dense[1:]]

    def input_gradients(self, X: Any) -> Array:
        """The derivatives of the outputs by the inputs.

        Outputs are what `predict` gives for a regressor and `predict_proba` for a classifier, the
        second class where there are two. Raises NotFittedError, and ValueError as `predict` does.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Where to take them.

        Returns
        -------
        gradients : ndarray of shape (n_samples, n_features) or (n_samples, n_outputs, n_features)
            The former where there is one output.
        """
        with using_threads(self.n_threads):
            steps = self._walked(X)
            y = steps[-1].y
            found = np.empty((len(y), y.shape[1], self.n_features_in_), y.dtype)
            for output in range(y.shape[1]):
                dy = np.zeros_like(y)
                dy[:, output] = 1
                for step in reversed(steps):
                    (dy,), _ = step.operation.backward(ops, step.inputs, step.values, step.y, dy)
                found[:, output] = dy
        return found[:, 0] if y.shape[1] == 1 else found
