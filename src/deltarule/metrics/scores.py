"""How good outputs are before they become classes: as probabilities, and as an order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from .._check import Array
from .base import F64, Metric, Summed, Task, classes, need_classes, weighted_mean


@dataclass(frozen=True, repr=False)
class LogLoss(Summed):
    """The weighted mean of -log of the probability that the label has been given, as
    sklearn.metrics.log_loss; probabilities are held within [eps, 1 - eps], eps being that of their
    dtype. Targets that are probabilities themselves weigh the logarithms. Of several outputs that
    are questions of their own it is the mean.
    """

    kind: ClassVar[str] = "log_loss"

    def check(self, task: Task) -> None:
        need_classes(self, task)
        if not task.chances:
            raise ValueError(
                f"metric 'log_loss' needs probabilities, which a network with loss {task.loss!r} "
                "does not put out"
            )

    def _sums(self, task: Task, t: Array, y: Array, w: F64) -> F64:
        eps = np.finfo(y.dtype).eps
        p = np.clip(y, eps, 1 - eps)
        if t.ndim == 1:
            lost = -np.log(np.take_along_axis(p, t[:, np.newaxis], axis=1)[:, 0], dtype=np.float64)
        elif task.decides == "argmax":
            lost = -(t * np.log(p, dtype=np.float64)).sum(axis=1)
        else:
            yes, no = np.log(p, dtype=np.float64), np.log(1 - p, dtype=np.float64)
            lost = -(t * yes + (1 - t) * no).mean(axis=1)
        return np.array([w @ lost, w.sum()])

    def _value(self, task: Task, sums: F64) -> Any:
        return sums[0] / sums[1]


def area(positive: Array, scores: Array, weight: F64) -> float:
    """Under the curve of true over false positive rates, of all thresholds (Hanley and McNeil,
    1982): the chance that a positive sample scores higher than another, equal scores counting half.
    nan where all samples are of one kind, there are none, or a score is nan."""
    if not len(scores):
        return float("nan")
    order = np.argsort(scores)
    scores, positive, weight = scores[order], positive[order], weight[order]
    last = np.append(scores[1:] != scores[:-1], True)  # of equal scores
    below = np.cumsum(weight * positive)[last], np.cumsum(weight * ~positive)[last]
    yes, no = (np.diff(sums, prepend=0.0) for sums in below)
    pairs = below[0][-1] * below[1][-1]
    if not pairs > 0 or np.isnan(scores[-1]):
        return float("nan")
    return float(yes @ (below[1] - no / 2) / pairs)


@dataclass(frozen=True)
class _Seen:
    """All rows so far, in pieces."""

    task: Task
    pieces: list[tuple[Array, Array, F64]]


@dataclass(frozen=True, repr=False)
class ROCAUC(Metric):
    """The area under the receiver operating characteristic, exact: targets, outputs and weights of
    all rows are kept until the end. As sklearn.metrics.roc_auc_score, with weights also for "ovo";
    where a class has no samples, or all, the result is nan.

    multi_class: of three classes or more. "ovr": each against the rest; "ovo": each pair of
        classes, both ways, among the samples of these two (Hand and Till, 2001).
    average: "macro" is the mean, "weighted" that with the true weights of the classes (of pairs,
        for "ovo"); "micro" takes all questions together, and None gives an array with one value for
        each class (or output), which no history has: both not for "ovo". Of two classes, that of
        class 1 is all there is.
    """

    kind: ClassVar[str] = "roc_auc"
    multi_class: str = "ovr"
    average: str | None = "macro"

    def __post_init__(self) -> None:
        if self.multi_class not in ("ovr", "ovo"):
            raise ValueError(f"multi_class must be 'ovr' or 'ovo', got {self.multi_class!r}")
        known = ("macro", "weighted", "micro", None)[: 2 if self.multi_class == "ovo" else 4]
        if self.average not in known:
            names = ", ".join(map(repr, known))
            raise ValueError(
                f"average must be one of {names} with multi_class={self.multi_class!r}, got "
                f"{self.average!r}"
            )

    @property
    def scalar(self) -> bool:
        return self.average is not None

    @property
    def name(self) -> str:
        average = "" if self.average == "macro" else f"_{self.average or 'per_class'}"
        return f"{self.kind}{'_ovo' if self.multi_class == 'ovo' else ''}{average}"

    def check(self, task: Task) -> None:
        need_classes(self, task)

    def start(self, task: Task) -> _Seen:
        self.check(task)
        return _Seen(task, [])

    def update(self, state: _Seen, y_true: Array, y_pred: Array, weight: F64) -> _Seen:
        if state.task.n_classes:
            y_true, _ = classes(state.task, y_true, y_pred)
        return _Seen(state.task, [*state.pieces, (y_true, y_pred, weight)])

    def result(self, state: _Seen) -> Any:
        if not state.pieces:
            return float("nan")
        t, y, w = (np.concatenate(part) for part in zip(*state.pieces, strict=True))
        n = state.task.n_classes
        if n == 2:
            return area(t == 1, y[:, -1], w)
        if n and self.multi_class == "ovo":
            return self._pairs(t, y, w)
        return self._each(t[:, np.newaxis] == np.arange(n) if n else t > 0.5, y, w)

    def _each(self, positive: Array, y: Array, w: F64) -> Any:
        if self.average == "micro":
            return area(positive.ravel(), y.ravel(), np.repeat(w, y.shape[1]))
        areas = np.array([area(p, scores, w) for p, scores in zip(positive.T, y.T, strict=True)])
        return areas if self.average is None else self._mean(areas, w @ positive)

    def _pairs(self, t: Array, y: Array, w: F64) -> float:
        areas, weights = [], []
        for a, b in combinations(range(y.shape[1]), 2):
            chosen = (t == a) | (t == b)
            is_a, both, own = t[chosen] == a, y[chosen], w[chosen]
            areas.append((area(is_a, both[:, a], own) + area(~is_a, both[:, b], own)) / 2)
            weights.append(own.sum())
        return self._mean(np.array(areas), np.array(weights))

    def _mean(self, areas: F64, weights: F64) -> float:
        weighs = self.average == "weighted"
        return float(weighted_mean(areas, weights if weighs else np.ones_like(weights)))
