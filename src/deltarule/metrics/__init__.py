"""Metrics reported beside the loss: a name such as "accuracy" or "f1_macro", or an object.

Those that scikit-learn has too give the same numbers. Samples of weight 0, and so those whose
labels are ignored, are left out. A network that puts out logits is judged as if it had the
activation that belongs to them: metrics see probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import _custom
from .._spec import describe, from_config, resolve
from .base import Metric, Task
from .classes import F1, Accuracy, ConfusionMatrix, Precision, Recall, TopKAccuracy
from .custom import CustomMetric
from .numbers import MAE, MSE, R2, RMSE
from .scores import ROCAUC, LogLoss

__all__ = [
    "F1",
    "MAE",
    "MSE",
    "R2",
    "RMSE",
    "ROCAUC",
    "TABLE",
    "Accuracy",
    "ConfusionMatrix",
    "CustomMetric",
    "LogLoss",
    "Metric",
    "Precision",
    "Recall",
    "Task",
    "TopKAccuracy",
    "get",
    "get_all",
]

TABLE: dict[str, type[Metric]] = {
    cls.kind: cls
    for cls in (
        Accuracy,
        TopKAccuracy,
        Precision,
        Recall,
        F1,
        ConfusionMatrix,
        ROCAUC,
        LogLoss,
        MSE,
        RMSE,
        MAE,
        R2,
    )
}

# Names of objects whose arguments are not the defaults, as scikit-learn's scorers have them.
NAMES: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(cls(a) for cls in (Precision, Recall, F1) for a in ("macro", "micro", "weighted")),
        *(ROCAUC(average=average) for average in ("weighted", "micro")),
        ROCAUC("ovo"),
        ROCAUC("ovo", "weighted"),
        *(TopKAccuracy(k) for k in (2, 3, 5)),
    )
}

ALIASES = {
    "acc": "accuracy",
    "binaryaccuracy": "accuracy",
    "categoricalaccuracy": "accuracy",
    "topk": "top_k_accuracy",
    "topkcategoricalaccuracy": "top_k_accuracy",
    "auc": "roc_auc",
    "rocaucovr": "roc_auc",
    "logloss": "log_loss",
    "neglogloss": "log_loss",
    "f1score": "f1",
    "r2score": "r2",
    "meansquarederror": "mse",
    "rootmeansquarederror": "rmse",
    "meanabsoluteerror": "mae",
    "confusion": "confusion_matrix",
}


def get(metric: str | Metric) -> Metric:
    """The metric for a name or an object.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    if isinstance(metric, CustomMetric):
        _custom.check(metric)
        return metric
    if isinstance(metric, str) and metric in NAMES:
        return NAMES[metric]
    return resolve(metric, TABLE, "metric", ALIASES)


def of_config(config: object) -> Metric:
    """The metric that a JSON form describes."""
    table = {**TABLE, **_custom.known(CustomMetric)}
    metric: Metric = from_config(config, table, "metric", _custom.HINT)
    return metric


def get_all(metrics: Iterable[str | Metric]) -> tuple[Metric, ...]:
    """The metrics for a list of names or objects; each may be there once."""
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be a list such as ['accuracy'], got {describe(metrics)}")
    found = tuple(get(metric) for metric in metrics)
    if len(set(found)) != len(found):
        raise ValueError("metrics has the same metric twice")
    seen = {"loss"}
    for name in (metric.name for metric in found):
        if name in seen:
            raise ValueError(f"metrics has two results of the name {name!r}")
        seen.add(name)
    return found


def shown(metric: Metric) -> str:
    """How code names it: 'f1_macro' where there is such a name, else its repr."""
    for name in (metric.name, metric.kind):
        if (name in NAMES or name in TABLE) and get(name) == metric:
            return repr(name)
    return repr(metric)
