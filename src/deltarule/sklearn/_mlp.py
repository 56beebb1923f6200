"""The estimators: scikit-learn's own, but for what computes."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn.neural_network._multilayer_perceptron as stock
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted, validate_data

from .._inputs import first_nonfinite
from ._beyond import Beyond
from ._docs import documented
from ._fitting import Fitting
from ._parameters import CLASSIFIER, REGRESSOR, extended
from ._problem import FEW, Problem, predict, predict_few
from ._tasks import Supported

Array = npt.NDArray[Any]
_FLOATS = {np.dtype(name): name for name in ("float32", "float64")}


def _is_plain(array: Any, ndim: int) -> bool:
    """Whether it is floats, all of them finite."""
    if type(array) is not np.ndarray or array.ndim != ndim or array.size == 0:
        return False
    dtype = _FLOATS.get(array.dtype)
    flat = array if array.flags.c_contiguous else array.ravel("K")
    return dtype is not None and first_nonfinite(flat, dtype) is None


class _Computed(Supported, Fitting, stock.BaseMultilayerPerceptron):
    """What scikit-learn's BaseMultilayerPerceptron computes, by deltarule's C core.

    coefs_ and intercepts_ stay what they are there, plain arrays that may be replaced or changed at
    any time: every call begins with what they hold, and training writes into them.
    """

    coefs_: list[Array]
    intercepts_: list[Array]
    best_loss_: Any
    _no_improvement_count: int
    _classifies = False

    def _outputs(self, X: Any) -> Array:
        """Of the network, for X checked as scikit-learn does. Its checks take many times as long as
        the prediction of a row; they are passed over where they would find nothing to say, nor to
        change."""
        own = vars(self)
        if (
            type(X) is np.ndarray
            and X.ndim == 2
            and "coefs_" in own
            and "feature_names_in_" not in own
            and X.shape[1] == own.get("n_features_in_")
            and X.size > 0
        ):
            y = predict_few(self, X) if len(X) <= FEW else None
            if y is not None:
                return y
            if _is_plain(X, 2):
                return self._forward_pass_fast(X, check_input=False)
        check_is_fitted(self)
        return self._forward_pass_fast(X)

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

    def _stock_score(self, X: Any, y: Array, sample_weight: Array | None) -> float:
        """The score of early stopping, unless another is asked for."""
        score: float = super()._score(X, y, sample_weight)
        return score

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
        return self._answers(self._outputs(X))

    def _predict(self, X: Any, check_input: bool = True) -> Array:
        return self._answers(self._forward_pass_fast(X, check_input=check_input))

    def _answers(self, y: Array) -> Array:
        """What is predicted where the network says y (n, n_outputs_)."""
        return y.ravel() if self.n_outputs_ == 1 else y

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> Array:
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        dtype = np.result_type(X.dtype, *self.coefs_, *self.intercepts_)
        if dtype not in _FLOATS:
            y: Array = super()._forward_pass_fast(X, check_input=False)
            return y
        return predict(self, X, dtype)

    def _parameters(self) -> list[Array]:
        """All that is learnt, where it is."""
        return self.coefs_ + self.intercepts_

    def _problem(
        self, X: Any, y: Array, sample_weight: Array | None, dtype: Any, optimizer: Any = None
    ) -> Problem:
        return Problem(self, X, y, sample_weight, dtype, optimizer)

    # ------------------------------------------------------------------------------------- L-BFGS
    def _fit_lbfgs(
        self, X: Any, y: Array, sample_weight: Array | None, activations: Any, *others: Any
    ) -> None:
        # scipy makes the vector float64, and so is what scikit-learn computes from it
        problem = self._problem(X, y, sample_weight, np.float64)
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
            problem = self._problem(X, y, sample_weight, dtype)
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
        parameters = self._parameters()
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = self._new_optimizer(parameters)
        (X, y, sample_weight), held_out = self._hold_out(X, y, sample_weight, incremental)
        size = self._rows_of_a_batch(X.shape[0])
        computed = np.result_type(X.dtype, *parameters)
        problem = self._problem(X, y, sample_weight, computed, self._optimizer)
        problem.load(parameters)
        # scikit-learn takes logarithms of classes in float64, and rounds losses as their parts are
        targets = np.float64 if self._classifies else y.dtype
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
            self._put_best(incremental)

    def _put_best(self, incremental: bool) -> None:
        self.coefs_, self.intercepts_ = self._best_coefs, self._best_intercepts

    def _new_optimizer(self, parameters: list[Array]) -> SGDOptimizer | AdamOptimizer:
        """scikit-learn's: it holds the state between calls and decides over the learning rate."""
        if self.solver == "adam":
            return AdamOptimizer(  # its arrays are made when training ends
                [], self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon
            )
        return SGDOptimizer(
            parameters,
            self.learning_rate_init,
            self.learning_rate,
            self.momentum,
            self.nesterovs_momentum,
            self.power_t,
        )

    def _hold_out(
        self, X: Any, y: Array, sample_weight: Array | None, incremental: bool
    ) -> tuple[Any, Any]:
        """(X, y, sample_weight) to train on, and that to score on, with its y decoded, or None."""
        if not self.early_stopping:
            return (X, y, sample_weight), None
        if incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        whole = [X, y] if sample_weight is None else [X, y, sample_weight]
        parts = train_test_split(
            *whole,
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=y if self._classifies and self.n_outputs_ == 1 else None,
        )
        train, held_out = [*parts[::2], None][:3], [*parts[1::2], None][:3]
        if held_out[0].shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' "
                "or the size of your dataset."
            )
        if self._classifies:
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
        problem.open(order, batch_size, self._random_state)
        rounded = dtype.type
        self.n_iter_ = 0
        for losses in problem.epochs(partial(self._epochs_ahead, incremental)):
            known = [rounded(each) for each in losses]
            if self._after_epochs(known, problem, parameters, held_out) or incremental:
                return
            if self.n_iter_ == self.max_iter:
                break
        self._warn_of_no_end()

    def _after_epochs(
        self, losses: list[Any], problem: Problem, parameters: list[Array], held_out: Any
    ) -> bool:
        """Counts, prints and scores. Returns whether training ends here."""
        self.loss_ = losses[-1]
        self.loss_curve_ += losses
        self.n_iter_ += len(losses)
        self.t_ += problem.n * len(losses)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
        if held_out is not None:
            problem.write(parameters)  # scored by what is in them
        if self.early_stopping:
            self._update_no_improvement_count(True, *held_out)
        else:
            self._compare(losses)
        self._optimizer.iteration_ends(self.t_)
        if self._tasks is not None and self._epoch_ends(lambda: problem.write(parameters)):
            return True
        return self._no_improvement_count > self.n_iter_no_change and self._stops()

    def _warn_of_no_end(self) -> None:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) "
            "reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _no_gain(self) -> str:
        what = "Validation score" if self.early_stopping else "Training loss"
        return (
            f"{what} did not improve more than tol={self.tol:f} for "
            f"{self.n_iter_no_change:d} consecutive epochs."
        )

    def _compare(self, losses: list[Any]) -> None:
        """What scikit-learn's _update_no_improvement_count does after epochs without a score."""
        best, count = self.best_loss_, self._no_improvement_count
        for loss in losses:
            count = count + 1 if loss > best - self.tol else 0
            best = loss if loss < best else best
        self.best_loss_, self._no_improvement_count = best, count

    def _epochs_ahead(self, incremental: bool) -> int:
        """Before some epochs: how many there will be until anything is said, decided or changed."""
        if self._tasks is not None:
            self._tasks.begin_epoch()
            return 1
        changes = self.solver == "sgd" and self.learning_rate == "invscaling"
        if incremental or self.early_stopping or self.verbose or changes:
            return 1
        patience: float = self.n_iter_no_change - self._no_improvement_count + 1
        return int(max(1, min(self.max_iter - self.n_iter_, patience)))

    def _stops(self) -> bool:
        """Whether training ends here, or goes on with a smaller learning rate."""
        stops: bool = self._optimizer.trigger_stopping(self._no_gain(), self.verbose)
        if not stops:
            self._no_improvement_count = 0
        return stops


@documented
@extended(stock.MLPClassifier, CLASSIFIER)
class MLPClassifier(Beyond, _Computed, stock.MLPClassifier):
    """scikit-learn's MLPClassifier, computed by deltarule.

    Parameters, attributes, messages and numbers are those of
    sklearn.neural_network.MLPClassifier. The parameters from `dropout` on are deltarule's own, and
    change nothing where they are left as they are.
    """

    _classifies = True

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
        y = self._outputs(X)
        if self.n_outputs_ > 1:
            return y
        both = np.empty((2, len(y)), y.dtype)
        np.subtract(1, y[:, 0], out=both[0])
        both[1] = y[:, 0]
        return both.T

    def _answers(self, y: Array) -> Array:
        """As the LabelBinarizer has it, but for its checks."""
        named = self._label_binarizer
        if named.y_type_ == "multiclass":
            labels: Array = named.classes_.take(y.argmax(axis=1))
        elif named.y_type_ == "binary" and len(named.classes_) == 2:
            labels = named.classes_.take(y[:, 0] > 0.5)
        else:
            labels = named.inverse_transform(super()._answers(y))
        return labels

    def _stock_score(self, X: Any, y: Array, sample_weight: Array | None) -> float:
        """Of early stopping: scikit-learn's accuracy_score, but for its checks."""
        if sample_weight is None and y.ndim == 1 and y.dtype.kind in "biuU":
            return float(np.mean(self._predict(X, check_input=False) == y))
        return super()._stock_score(X, y, sample_weight)


@documented
@extended(stock.MLPRegressor, REGRESSOR)
class MLPRegressor(Beyond, _Computed, stock.MLPRegressor):
    """scikit-learn's MLPRegressor, computed by deltarule.

    Parameters, attributes, messages and numbers are those of
    sklearn.neural_network.MLPRegressor. The parameters from `dropout` on are deltarule's own, and
    change nothing where they are left as they are.
    """
