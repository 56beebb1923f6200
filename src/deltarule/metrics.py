"""Metrics reported beside the loss: a name such as "accuracy", or an object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from ._spec import Spec, describe, resolve
from .losses import Loss


@dataclass(frozen=True, repr=False)
class Metric(Spec):
    """Base of the metrics."""


@dataclass(frozen=True, repr=False)
class Accuracy(Metric):
    """The weighted share of samples whose output is right.

    For losses of classes: the largest output is the label. For binary_cross_entropy, binary_focal
    and hinge: each output is on the right side (a probability of 1/2, or a logit or margin of 0),
    and a sample counts with its share of right outputs. For mse, mae, huber and log_cosh: one
    output is on the right side of 1/2, of several the largest is the label. Other losses have none.
    """

    kind: ClassVar[str] = "accuracy"


TABLE: dict[str, type[Metric]] = {Accuracy.kind: Accuracy}

ALIASES = {"acc": "accuracy", "binaryaccuracy": "accuracy", "categoricalaccuracy": "accuracy"}


def get(metric: str | Metric) -> Metric:
    """The metric for a name or an object.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    return resolve(metric, TABLE, "metric", ALIASES)


def get_all(metrics: Iterable[str | Metric]) -> tuple[Metric, ...]:
    """The metrics for a list of names or objects; each may be there once."""
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be a list such as ['accuracy'], got {describe(metrics)}")
    found = tuple(get(metric) for metric in metrics)
    if len(set(found)) != len(found):
        raise ValueError("metrics has the same metric twice")
    return found


def report(sums: tuple[float, float, float], metrics: Iterable[Metric]) -> dict[str, float]:
    """The mean loss and every metric, from the sums of loss, weights and hits."""
    loss, weight, hits = sums
    values = {"loss": loss / weight if weight else 0.0}
    return values | {metric.kind: hits / weight if weight else 0.0 for metric in metrics}


def accuracy_rule(metrics: Iterable[Metric], loss: Loss, n_out: int) -> str:
    """How the engine counts hits: "none", "argmax" or "threshold"."""
    if not any(isinstance(metric, Accuracy) for metric in metrics):
        return "none"
    if not loss.decides:
        raise ValueError(f"metric 'accuracy' needs classes, and loss {loss.kind!r} has none")
    if loss.decides == "either":
        return "threshold" if n_out == 1 else "argmax"
    return loss.decides
