"""Losses: a name such as "cross_entropy", or an object.

The loss of a batch is sum(w * l) / sum(w) over its samples, l being the loss of one sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ._spec import Spec, resolve
from .activations import Activation


@dataclass(frozen=True, repr=False)
class Loss(Spec):
    """Base of the losses.

    outputs: the activations that the last layer may have; empty means any.
    """

    outputs: ClassVar[tuple[str, ...]] = ()

    def check_output(self, activation: Activation, n_out: int) -> None:
        """Raises ValueError when the last layer does not fit this loss."""
        if self.outputs and activation.kind not in self.outputs:
            wanted = " or ".join(repr(name) for name in self.outputs)
            raise ValueError(
                f"loss {self.kind!r} needs a last layer with activation {wanted} "
                f"(identity: its outputs are logits), got {activation.kind!r}"
            )


@dataclass(frozen=True, repr=False)
class MSE(Loss):
    """l = mean over the outputs of (y - t)^2."""

    kind: ClassVar[str] = "mse"


@dataclass(frozen=True, repr=False)
class CrossEntropy(Loss):
    """l = -sum_k t_k log softmax(logits)_k; targets are labels or probabilities.

    The negative log-likelihood of a softmax (Bridle, 1990).
    """

    kind: ClassVar[str] = "cross_entropy"
    outputs: ClassVar[tuple[str, ...]] = ("softmax", "identity")

    def check_output(self, activation: Activation, n_out: int) -> None:
        super().check_output(activation, n_out)
        if n_out < 2:
            raise ValueError(
                "loss 'cross_entropy' needs at least 2 outputs, got 1: for two classes use "
                "loss='binary_cross_entropy' with activation='sigmoid'"
            )


@dataclass(frozen=True, repr=False)
class BinaryCrossEntropy(Loss):
    """l = mean over the outputs of -(t log p + (1 - t) log(1 - p)), p = sigmoid(logits).

    The negative log-likelihood of a sigmoid (Baum and Wilczek, 1988).
    """

    kind: ClassVar[str] = "binary_cross_entropy"
    outputs: ClassVar[tuple[str, ...]] = ("sigmoid", "identity")


TABLE: dict[str, type[Loss]] = {cls.kind: cls for cls in (MSE, CrossEntropy, BinaryCrossEntropy)}

ALIASES = {
    "mean_squared_error": "mse",
    "l2": "mse",
    "squared_error": "mse",
    "crossentropy": "cross_entropy",
    "categoricalcrossentropy": "cross_entropy",
    "sparsecategoricalcrossentropy": "cross_entropy",
    "softmaxcrossentropy": "cross_entropy",
    "nll": "cross_entropy",
    "logloss": "cross_entropy",
    "bce": "binary_cross_entropy",
    "binarycrossentropy": "binary_cross_entropy",
}


def get(loss: str | Loss) -> Loss:
    """The loss for a name or an object.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    return resolve(loss, TABLE, "loss", ALIASES)
