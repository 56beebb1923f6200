"""Losses as scikit-learn's perceptrons count them, for deltarule.sklearn alone: not in the table,
and so known to no name and no file.

The slopes are those of a sum over the outputs, whatever the value is. Chances are rounded to the
dtype and held between eps and 1 - eps before their logarithms are taken, in the value only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import Loss
from .classes import BinaryCrossEntropy, CrossEntropy
from .numbers import MSE, Poisson


@dataclass(frozen=True, repr=False)
class Summed(Loss):
    """Base of these. n_out: the number of outputs; dtype: that of the network."""

    n_out: int = 1
    dtype: str = "float64"

    def __post_init__(self) -> None:
        """They are made by deltarule itself."""

    @property
    def over(self) -> tuple[float, float]:
        return 1.0, 1.0

    @property
    def _eps(self) -> float:
        return float(np.finfo(self.dtype).eps)


@dataclass(frozen=True, repr=False)
class HalfSquares(Summed, MSE):
    """Mean over the outputs of d^2 / 2, with the slope d."""

    @property
    def over(self) -> tuple[float, float]:
        return 2.0 * self.n_out, 2.0


@dataclass(frozen=True, repr=False)
class Deviance(Summed, Poisson):
    """Sum over the outputs of t log(t / rate) - t + rate, half of Poisson's deviance."""

    @property
    def parameters(self) -> tuple[float, ...]:
        return (2.0,)


@dataclass(frozen=True, repr=False)
class BinaryLogLoss(Summed, BinaryCrossEntropy):
    """Sum over the outputs of -(t log p + (1 - t) log(1 - p))."""

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self._eps,)


@dataclass(frozen=True, repr=False)
class LogLoss(Summed, CrossEntropy):
    """-log p of the label."""

    @property
    def over(self) -> tuple[float, float]:
        return 0.0, 0.0  # no mean over the outputs in the first place

    @property
    def parameters(self) -> tuple[float, ...]:
        return (0.0, self._eps)
