"""How often predicted classes are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import _check, _check_names
from .._check import Array
from .base import F64, Summed, Task, classes, need_classes, weighted_mean

AVERAGES = ("binary", "macro", "micro", "weighted")


@dataclass(frozen=True, repr=False)
class Accuracy(Summed):
    """The weighted share of samples whose output is right.

    For losses of classes: the largest output is the label. For binary_cross_entropy, binary_focal
    and hinge: each output is on the right side (a probability of 1/2, or a logit or margin of 0),
    and a sample counts with its share of right outputs. For mse, mae, huber and log_cosh: one
    output is on the right side of 1/2, of several the largest is the label. Other losses have none.
    """

    kind: ClassVar[str] = "accuracy"

    def check(self, task: Task) -> None:
        need_classes(self, task)

    def _sums(self, task: Task, t: Array, y: Array, w: F64) -> F64:
        if task.n_classes:
            true, predicted = classes(task, t, y)
            hits = (true == predicted).astype(np.float64)
        else:
            hits = ((y > task.half) == (t > 0.5)).mean(axis=1)
        return np.array([w @ hits, w.sum()])

    def _value(self, task: Task, sums: F64) -> Any:
        return sums[0] / sums[1]


@dataclass(frozen=True, repr=False)
class TopKAccuracy(Summed):
    """The weighted share of samples whose label is among the k largest outputs (of equal ones, the
    later are taken for larger), as sklearn.metrics.top_k_accuracy_score.

    k: 1 or more and less than the number of classes, of which there must be three.
    """

    kind: ClassVar[str] = "top_k_accuracy"
    k: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", _check.positive_int("k", self.k))

    @property
    def name(self) -> str:
        return f"top_{self.k}_accuracy"

    def check(self, task: Task) -> None:
        need_classes(self, task)
        if task.decides != "argmax" or self.k >= task.n_out:
            raise ValueError(
                f"metric 'top_k_accuracy' with k={self.k} needs more than {self.k} classes, got "
                f"{task.n_classes or 2}"
            )

    def _sums(self, task: Task, t: Array, y: Array, w: F64) -> F64:
        labels, _ = classes(task, t, y)
        own = np.take_along_axis(y, labels[:, np.newaxis], axis=1)
        later = np.arange(task.n_out) > labels[:, np.newaxis]
        ahead = ((y > own) | ((y == own) & later)).sum(axis=1)
        return np.array([w @ (ahead < self.k), w.sum()])

    def _value(self, task: Task, sums: F64) -> Any:
        return sums[0] / sums[1]


@dataclass(frozen=True, repr=False)
class _Counted(Summed):
    """A function of the weights of right predictions, of all predictions and of all samples, of
    each class: rows of (3, classes)."""

    average: str | None = "binary"

    def __post_init__(self) -> None:
        if not _check_names.is_one_of(self.average, (None, *AVERAGES)):
            known = ", ".join(map(repr, AVERAGES))
            raise ValueError(f"average must be {known} or None, got {self.average!r}")

    @property
    def scalar(self) -> bool:
        return self.average is not None

    @property
    def name(self) -> str:
        return self.kind + ("" if self.average == "binary" else f"_{self.average or 'per_class'}")

    def check(self, task: Task) -> None:
        need_classes(self, task)
        if self.average == "binary" and task.n_classes != 2:
            several = f"{task.n_classes} classes" if task.n_classes else f"{task.n_out} questions"
            raise ValueError(
                f"metric {self.kind!r} with average='binary' is for two classes, got {several}: "
                "use average='macro', 'micro', 'weighted' or None"
            )

    def _sums(self, task: Task, t: Array, y: Array, w: F64) -> F64:
        if not task.n_classes:
            true, predicted = t > 0.5, y > task.half
            return np.stack([w @ (true & predicted), w @ predicted, w @ true])
        true, predicted = classes(task, t, y)
        right = true == predicted
        rows = (true[right], w[right]), (predicted, w), (true, w)
        return np.stack([np.bincount(c, v, minlength=task.n_classes) for c, v in rows])

    def _value(self, task: Task, sums: F64) -> Any:
        right, predicted, true = sums
        if self.average == "binary":
            return self._share(right, predicted, true)[1]
        if self.average == "micro":
            return self._share(right.sum(), predicted.sum(), true.sum())
        each = self._share(right, predicted, true)
        if self.average is None:
            return each
        seen = (predicted + true > 0) | (task.n_classes == 0)
        weights = true if self.average == "weighted" else np.ones_like(true)
        return weighted_mean(each[seen], weights[seen])

    def _share(self, right: Any, predicted: Any, true: Any) -> Any:
        raise NotImplementedError


def _ratio(part: Any, whole: Any) -> Any:
    """0 where the whole is 0, as scikit-learn has it."""
    return np.where(whole == 0, 0.0, part / np.where(whole == 0, 1.0, whole))


@dataclass(frozen=True, repr=False)
class Precision(_Counted):
    """Of what is predicted to be of a class, the share that is, as sklearn.metrics.precision_score.

    average: "binary" is that of class 1 (of two); "macro" the mean over the classes that occur,
        true or predicted, "weighted" with their true weights; "micro" takes all classes together;
        None gives an array with one value for each class (or output), which no history has.
    A share of nothing is 0.
    """

    kind: ClassVar[str] = "precision"

    def _share(self, right: Any, predicted: Any, true: Any) -> Any:
        return _ratio(right, predicted)


@dataclass(frozen=True, repr=False)
class Recall(_Counted):
    """Of what is of a class, the share that is predicted to be, as sklearn.metrics.recall_score.

    average: as that of Precision.
    """

    kind: ClassVar[str] = "recall"

    def _share(self, right: Any, predicted: Any, true: Any) -> Any:
        return _ratio(right, true)


@dataclass(frozen=True, repr=False)
class F1(_Counted):
    """The harmonic mean of precision and recall (van Rijsbergen, 1979), as in
    sklearn.metrics.f1_score.

    average: as that of Precision.
    """

    kind: ClassVar[str] = "f1"

    def _share(self, right: Any, predicted: Any, true: Any) -> Any:
        return _ratio(2 * right, predicted + true)


@dataclass(frozen=True, repr=False)
class ConfusionMatrix(Summed):
    """The weight of samples of class i that are predicted to be of class j, in row i, column j: an
    array (classes, classes), which no history has; as sklearn.metrics.confusion_matrix.

    normalize: "true": rows sum to 1, "pred": columns do, "all": all does; what would be divided by
        0 is 0.
    """

    kind: ClassVar[str] = "confusion_matrix"
    normalize: str | None = None

    def __post_init__(self) -> None:
        if not _check_names.is_one_of(self.normalize, (None, "true", "pred", "all")):
            raise ValueError(
                f"normalize must be 'true', 'pred', 'all' or None, got {self.normalize!r}"
            )

    @property
    def scalar(self) -> bool:
        return False

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.normalize}" if self.normalize else self.kind

    def check(self, task: Task) -> None:
        need_classes(self, task)
        if not task.n_classes:
            raise ValueError(
                f"metric 'confusion_matrix' needs classes, got {task.n_out} questions of their own"
            )

    def _sums(self, task: Task, t: Array, y: Array, w: F64) -> F64:
        n = task.n_classes
        true, predicted = classes(task, t, y)
        pairs: F64 = np.bincount(true * n + predicted, w, minlength=n * n).astype(np.float64)
        return pairs.reshape(n, n)

    def _value(self, task: Task, sums: F64) -> Any:
        axes: dict[str | None, Any] = {"true": 1, "pred": 0, "all": None}
        if self.normalize is None:
            return sums
        return _ratio(sums, sums.sum(axis=axes[self.normalize], keepdims=True))
