"""Metrics that are written in Python, in numpy, by users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._custom import Custom
from .._spec import describe
from .base import Metric


@dataclass(frozen=True, repr=False)
class CustomMetric(Custom, Metric):
    """Base of metrics that you write yourself, in numpy, for what is not there.

    Such as:

        class Worst(dr.CustomMetric):
            kind = "worst"

            def start(self, task):
                return 0.0

            def update(self, state, y_true, y_pred, weight):
                return max(state, np.abs(y_pred - y_true).max())

            def result(self, state):
                return state

    A Network takes it as it takes others, on both backends. kind and arguments: as those of
    CustomLayer. The arrays must not be changed; see Metric and Task for what is in them.
    """


def checked(metric: Metric, value: object) -> Any:
    """What `result` has returned: a float, or an array where the metric is not scalar."""
    if not metric.scalar:
        return np.asarray(value)
    if np.ndim(value) or not isinstance(value, int | float | np.number | np.ndarray):  # type: ignore[arg-type]
        raise TypeError(
            f"metric {type(metric).__name__}: result must return a number, got {describe(value)}"
        )
    return float(value)
