"""The estimators: scikit-learn's own, but for what computes."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn.neural_network._multilayer_perceptron as stock
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted, validate_data

from ._docs import documented
from ._problem import Problem, predict
from ._tasks import Supported

Array = npt.NDArray[Any]
_FLOATS = (np.dtype("float32"), np.dtype("float64"))


def _is_plain(array: Any, ndim: int) -> bool:
    """Whether it is floats, all of them finite."""
    if not (
        type(array) is np.ndarray
        and array.ndim == ndim
        and array.dtype in _FLOATS
        and array.size > 0
    ):
        return False
    with np.errstate(all="ignore"):  # nan and inf never leave a sum
        return math.isfinite(np.add.reduce(array, axis=None))


class _Computed(Supported, stock.BaseMultilayerPerceptron):
    """What scikit-learn's BaseMultilayerPerceptron computes, by deltarule's C core.

    coefs_ and intercepts_ stay what they are there, plain arrays that may be replaced or changed at
    any time: every call begins with what they hold, and training writes into them.
    """

    coefs_: list[Array]
    intercepts_: list[Array]
    _no_improvement_count: int

    def _takes(self, X: Any) -> bool:
        """Whether scikit-learn's checks of a fitted estimator and X, which take many times as long
        as the prediction of a row, would find nothing to say, nor to change."""
        own = vars(self)
        return (
            "coefs_" in own
            and "feature_names_in_" not in own
            and _is_plain(X, 2)
            and X.shape[1] == own.get("n_features_in_")
        )

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """scikit-learn's checks, which take as long as a hundred epochs of a small fit, or their
        result where they would find nothing to say, nor to change."""
        anew = reset and not incremental and not self.warm_start
        if anew and type(y) is np.ndarray and y.ndim == 1 and _is_plain(X, 2) and len(X) == len(y):
            targets = self._plain_targets(y)
            if targets is not None:
                self.__dict__.pop("feature_names_in_", None)
                self.n_features_in_: int = X.shape[1]
                return X, targets
        checked: tuple[Any, Array] = super()._validate_input(X, y, incremental, reset)
        return checked

    def _plain_targets(self, y: Array) -> Array | None:
        """What scikit-learn makes of y (n,); None: that is to be seen."""
        return y if _is_plain(y, 1) else None

    def predict(self, X: Any) -> Array:
        """Predict labels or target values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions.
        """
        plain = self._takes(X)
        if not plain:
            check_is_fitted(self)
        y: Array = self._predict(X, check_input=not plain)
        return y

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> Array:
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        dtype = np.result_type(X.dtype, *self.coefs_, *self.intercepts_)
        if dtype not in _FLOATS:
            y: Array = super()._forward_pass_fast(X, check_input=False)
            return y
        return predict(self, X, dtype)

    # ------------------------------------------------------------------------------------- L-BFGS
    def _fit_lbfgs(
        self, X: Any, y: Array, sample_weight: Array | None, activations: Any, *others: Any
    ) -> None:
        # scipy makes the vector float64, and so is what scikit-learn computes from it
        problem = Problem(self, X, y, sample_weight, np.float64)
        super()._fit_lbfgs(X, y, sample_weight, problem, *others)

    def _loss_grad_lbfgs(
        self,
        packed_coef_inter: Array,
        X: Any,
        y: Array,
        sample_weight: Array | None,
        activations: Any,
        *others: Any,
    ) -> tuple[float, Array]:
        """The Problem comes in the place of scikit-learn's buffers; called from elsewhere it is
        made anew."""
        self._unpack(packed_coef_inter)
        problem = activations
        if not isinstance(problem, Problem):
            dtype = np.result_type(X.dtype, packed_coef_inter.dtype)
            problem = Problem(self, X, y, sample_weight, dtype)
        return problem.loss_and_gradient(self.coefs_ + self.intercepts_)

    # --------------------------------------------------------------------------------- SGD, Adam
    def _fit_stochastic(
        self,
        X: Any,
        y: Array,
        sample_weight: Array | None,
        activations: Any,
        deltas: Any,
        coef_grads: Any,
        intercept_grads: Any,
        layer_units: Any,
        incremental: bool,
    ) -> None:
        parameters = self.coefs_ + self.intercepts_
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = self._new_optimizer(parameters)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        held_out = None
        if self.early_stopping:
            (X, y, sample_weight), held_out = self._split(X, y, sample_weight)
        size = self._rows_of_a_batch(X.shape[0])
        computed = np.result_type(X.dtype, *parameters)
        problem = Problem(self, X, y, sample_weight, computed, self._optimizer)
        problem.load(parameters)
        # scikit-learn takes logarithms of classes in float64, and rounds losses as their parts are
        targets = np.float64 if is_classifier(self) else y.dtype
        weights = () if sample_weight is None else (sample_weight.dtype,)
        reported = np.result_type(computed, targets, *weights)
        try:
            self._epochs(problem, parameters, size, reported, held_out, incremental)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        finally:
            problem.write(parameters)
            problem.write_state()
        if self.early_stopping:
            self.coefs_, self.intercepts_ = self._best_coefs, self._best_intercepts

    def _new_optimizer(self, parameters: list[Array]) -> SGDOptimizer | AdamOptimizer:
        """scikit-learn's: it holds the state between calls and decides over the learning rate."""
        if self.solver == "adam":
            return AdamOptimizer(
                parameters, self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon
            )
        return SGDOptimizer(
            parameters,
            self.learning_rate_init,
            self.learning_rate,
            self.momentum,
            self.nesterovs_momentum,
            self.power_t,
        )

    def _split(self, X: Any, y: Array, sample_weight: Array | None) -> tuple[Any, Any]:
        """(X, y, sample_weight) to train on, and that to score on, with its y decoded."""
        whole = [X, y] if sample_weight is None else [X, y, sample_weight]
        parts = train_test_split(
            *whole,
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=y if is_classifier(self) and self.n_outputs_ == 1 else None,
        )
        train, held_out = [*parts[::2], None][:3], [*parts[1::2], None][:3]
        if held_out[0].shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' "
                "or the size of your dataset."
            )
        if is_classifier(self):
            held_out[1] = self._label_binarizer.inverse_transform(held_out[1])
        return train, held_out

    def _rows_of_a_batch(self, n: int) -> int:
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than "
                "sample size. It is going to be clipped",
                stacklevel=2,
            )
        return int(np.clip(self.batch_size, 1, n))

    def _epochs(
        self,
        problem: Problem,
        parameters: list[Array],
        batch_size: int,
        dtype: np.dtype[Any],
        held_out: Any,
        incremental: bool,
    ) -> None:
        order = np.arange(problem.n) if self.shuffle else None
        problem.open(order, batch_size)
        rounded = dtype.type
        self.n_iter_ = 0
        while self.n_iter_ < self.max_iter:
            if self._tasks is not None:
                self._tasks.begin_epoch()
            if order is not None:  # the draws and the order of sklearn.utils.shuffle, in place
                self._random_state.shuffle(order)
            self.loss_ = rounded(problem.epoch())
            self.n_iter_ += 1
            self.t_ += problem.n
            self.loss_curve_.append(self.loss_)
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
            if held_out is not None:
                problem.write(parameters)  # scored by what is in them
            self._update_no_improvement_count(self.early_stopping, *(held_out or (None,) * 3))
            self._optimizer.iteration_ends(self.t_)
            if self._tasks is not None and self._epoch_ends(lambda: problem.write(parameters)):
                return
            if self._no_improvement_count > self.n_iter_no_change and self._stops():
                return
            if incremental:
                return
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) "
            "reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=3,
        )

    def _stops(self) -> bool:
        """Whether training ends here, or goes on with a smaller learning rate."""
        what = "Validation score" if self.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={self.tol:f} for "
            f"{self.n_iter_no_change:d} consecutive epochs."
        )
        stops: bool = self._optimizer.trigger_stopping(message, self.verbose)
        if not stops:
            self._no_improvement_count = 0
        return stops


@documented
class MLPClassifier(_Computed, stock.MLPClassifier):
    """scikit-learn's MLPClassifier, computed by deltarule.

    Parameters, attributes, messages and numbers are those of sklearn.neural_network.MLPClassifier.
    """

    def _plain_targets(self, y: Array) -> Array | None:
        if y.dtype.kind not in "biuU":
            return None
        classes, numbers = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            return None
        self._label_binarizer = LabelBinarizer()
        self._label_binarizer.y_type_ = "binary" if len(classes) == 2 else "multiclass"
        self._label_binarizer.sparse_input_ = False
        self._label_binarizer.classes_ = self.classes_ = classes
        columns = np.arange(len(classes)) if len(classes) > 2 else np.ones(1)
        one_hot: Array = numbers[:, np.newaxis] == columns
        return one_hot

    def predict_proba(self, X: Any) -> Array:
        plain = self._takes(X)
        if not plain:
            check_is_fitted(self)
        y = self._forward_pass_fast(X, check_input=not plain)
        if self.n_outputs_ > 1:
            return y
        both = np.empty((2, len(y)), y.dtype)
        np.subtract(1, y[:, 0], out=both[0])
        both[1] = y[:, 0]
        return both.T


@documented
class MLPRegressor(_Computed, stock.MLPRegressor):
    """scikit-learn's MLPRegressor, computed by deltarule.

    Parameters, attributes, messages and numbers are those of sklearn.neural_network.MLPRegressor.
    """
