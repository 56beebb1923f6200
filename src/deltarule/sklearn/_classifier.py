"""Any network as a classifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelEncoder
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from .._predict import classes as numbers_of_classes
from ..callbacks import Callback
from ..losses import Loss
from ..metrics import Metric
from ..optimizers import FullBatch, Optimizer
from ._docs import documented
from ._network import Array, Given, NetworkEstimator


def _tells_chances(estimator: NetworkClassifier) -> bool:
    """Whether its loss, as far as it is known, is one of chances."""
    fitted = hasattr(estimator, "network_")
    loss = estimator.network_.loss if fitted else estimator._object("loss")
    return not isinstance(loss, Loss) or loss.link in ("softmax", "sigmoid")


@documented
class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """Any network of deltarule as a classifier: of labels of any kind, one or several for a row.

    The usual loss is "binary_cross_entropy" for two classes, and where a row may have several
    labels, and "cross_entropy" for more classes.

    Parameters
    ----------
    class_weight : dict, "balanced" or list of these, default=None
        Weights of the classes, `{label: weight}`, others 1; "balanced": n_samples / (n_classes *
        samples of the class). Where a row may have several labels, a list has one for each. They do
        not count in validation.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes; where a row may have several labels, the numbers of these.
    """

    classes_: Array
    _encoder: LabelEncoder | None  # None: a row may have several labels

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
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
        class_weight: Any = None,
        callbacks: Iterable[Callback] | None = None,
        dtype: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: bool | str = False,
    ) -> None:
        super().__init__(
            network,
            loss=loss,
            optimizer=optimizer,
            metrics=metrics,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            validation_split=validation_split,
            callbacks=callbacks,
            dtype=dtype,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
        )
        self.class_weight = class_weight

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> Self:
        """One epoch over the given data, from where training is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            The labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, finite and >= 0.

        classes : array-like of shape (n_classes,), default=None
            All classes that there will be. The first call needs them; y need not have them all.

        Returns
        -------
        self : object
            The estimator.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all of y at once: for partial_fit give a dict, with "
                "the weights of sklearn.utils.class_weight.compute_class_weight"
            )
        fitted = hasattr(self, "network_")
        if classes is None and not fitted:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if fitted and classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes must be {self.classes_} as before, got {classes}")
        self._train(X, y, sample_weight, 1, True, labels=classes)
        return self

    def predict(self, X: Any) -> Array:
        """Predict labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            The labels.
        """
        y = self._outputs(X)  # or that it is not fitted
        found = numbers_of_classes(self.network_, y)
        return found if self._encoder is None else self.classes_[found]

    @available_if(_tells_chances)
    def predict_proba(self, X: Any) -> Array:
        """Probability estimates, where the loss is one of probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        Returns
        -------
        y_prob : ndarray of shape (n_samples, n_classes)
            The probability of each class, in the order of `classes_`; of each label, where a row
            may have several.
        """
        y = self._meaning(self._outputs(X))
        return np.hstack([1 - y, y]) if y.shape[1] == 1 else y

    @available_if(_tells_chances)
    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of probability estimates.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        Returns
        -------
        y_log_prob : ndarray of shape (n_samples, n_classes)
            The logarithm of what `predict_proba` returns.
        """
        logarithms: Array = np.log(self.predict_proba(X))
        return logarithms

    @available_if(lambda estimator: not _tells_chances(estimator))
    def decision_function(self, X: Any) -> Array:
        """Confidence scores, where the loss is one of margins, such as "hinge".

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes one number, > 0 for the second of `classes_`; else one for each class.
        """
        y = self._outputs(X)
        return y[:, 0] if y.shape[1] == 1 else y

    # ------------------------------------------------------------------------------------- labels
    def _look_at(self, y: Array, labels: Any, again: bool) -> None:
        check_classification_targets(y)
        kind = type_of_target(y)
        several = kind == "multilabel-indicator"
        if kind.endswith("multioutput"):
            raise ValueError(f"NetworkClassifier takes one y of classes, or labels; got {kind}")
        if again and several != (self._encoder is None):
            raise ValueError(f"y must have {len(self.classes_)} classes as before, got {kind}")
        if not again:
            self._encoder, self.classes_ = None, np.arange(y.shape[-1])
            if not several:
                self._encoder = LabelEncoder().fit(y if labels is None else labels)
                self.classes_ = self._encoder.classes_
        if several and y.shape[1] != len(self.classes_):
            raise ValueError(f"y must have {len(self.classes_)} labels a row, got {y.shape[1]}")
        if len(self.classes_) < 2:
            raise ValueError(
                f"NetworkClassifier needs at least 2 classes, and y has one class: {self.classes_}"
            )

    def _n_targets(self) -> int:
        return len(self.classes_)

    def _usual_loss(self) -> str:
        one = self._encoder is None or len(self.classes_) == 2
        return "binary_cross_entropy" if one else "cross_entropy"

    def _width(self, loss: Loss) -> int:
        n, several = len(self.classes_), self._encoder is None
        if loss.decides == "argmax" and not several:
            return n
        if loss.decides == "threshold" and (several or n == 2):
            return n if several else 1
        if loss.decides == "threshold":
            raise ValueError(
                f"Only binary classification is supported by loss {loss.kind!r}, and y has {n} "
                "classes"
            )
        has = "several labels a row" if several else "classes"
        raise ValueError(f"loss {loss.kind!r} is not one for y with {has}")

    def _targets(self, y: Array, loss: Loss) -> Array:
        if self._encoder is None:
            return y
        numbers: Array = self._encoder.transform(y)
        one_hot = loss.decides == "argmax" and not loss.takes(labels=True)
        return np.eye(len(self.classes_))[numbers] if one_hot else numbers

    def _class_weight(self) -> Any:
        if self._encoder is None or not isinstance(self.class_weight, Mapping):
            return self.class_weight
        numbers = {label: number for number, label in enumerate(self.classes_.tolist())}
        for label in self.class_weight:
            if label not in numbers:
                raise ValueError(f"class_weight has {label!r}, and the classes are {self.classes_}")
        return {numbers[label]: weight for label, weight in self.class_weight.items()}

    def __sklearn_tags__(self) -> Any:
        tags, loss = super().__sklearn_tags__(), self._object("loss")
        known = isinstance(loss, Loss)
        tags.classifier_tags.multi_class = not known or loss.decides == "argmax"
        tags.classifier_tags.multi_label = not known or loss.decides == "threshold"
        return tags
