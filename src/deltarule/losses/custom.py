"""Losses that are written in Python, in numpy, by users."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from .._check import Array
from .._custom import Custom, check_array
from .base import Loss


@dataclass(frozen=True, repr=False)
class CustomLoss(Custom, Loss):
    """Base of losses that you write yourself, in numpy, for what is not there.

    Such as:

        class Dear(dr.CustomLoss):
            kind = "dear"

            def forward(self, y, t):
                return ((y - t) ** 2 * np.where(y > t, 4, 1)).mean(axis=1, dtype=y.dtype)

            def backward(self, y, t):
                return 2 * (y - t) * np.where(y > t, y.dtype.type(4), 1) / y.shape[1]

    A Network takes it as it takes others, on both backends, with weights of samples and classes,
    which the methods need not know of. kind, arguments, arrays, errors, speed and bits: as those of
    CustomLayer; but the arrays are (n, n_out), whatever the shape of a sample.

    targets: "numbers", or "labels" for t (n,), integers from 0 to n_out - 1.
    decides, half: see Loss; for the metric "accuracy".
    """

    def __post_init__(self) -> None:
        """Arguments are checked by who knows them."""

    @abstractmethod
    def forward(self, y: Array, t: Array) -> Array:
        """The loss (n,) of each sample, from outputs y (n, n_out) and targets t."""

    @abstractmethod
    def backward(self, y: Array, t: Array) -> Array:
        """The gradient (n, n_out) of the loss of each sample at its outputs."""

    def rows(self, y: Array, t: Array, p: object) -> Array:
        """What `forward` says, checked; p: nothing."""
        where, losses = f"loss {type(self).__name__}", self.forward(y.copy(), t.copy())
        return check_array(where, "forward", "losses", losses, (len(y),), y)

    def gradient(self, y: Array, t: Array, p: object) -> Array:
        """What `backward` says, checked; p: nothing."""
        where, dy = f"loss {type(self).__name__}", self.backward(y.copy(), t.copy())
        return check_array(where, "backward", "a gradient", dy, y.shape, y)
