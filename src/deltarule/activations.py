"""Activations: a name such as "relu", or an object such as LeakyReLU(negative_slope=0.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from . import _check
from ._spec import Spec, resolve


@dataclass(frozen=True, repr=False)
class Activation(Spec):
    """Base of the activations."""

    @property
    def alpha(self) -> float:
        """The parameter of the activation; 0.0 for one that has none."""
        return 0.0


@dataclass(frozen=True, repr=False)
class Identity(Activation):
    """y = x."""

    kind: ClassVar[str] = "identity"


@dataclass(frozen=True, repr=False)
class ReLU(Activation):
    """y = max(x, 0) (Nair and Hinton, 2010)."""

    kind: ClassVar[str] = "relu"


@dataclass(frozen=True, repr=False)
class LeakyReLU(Activation):
    """y = x where x > 0, else negative_slope * x (Maas et al., 2013).

    negative_slope: finite and >= 0, because the gradient is read off the sign of y.
    """

    kind: ClassVar[str] = "leaky_relu"
    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        slope = _check.non_negative_real("negative_slope", self.negative_slope)
        object.__setattr__(self, "negative_slope", slope)

    @property
    def alpha(self) -> float:
        return self.negative_slope


@dataclass(frozen=True, repr=False)
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x))."""

    kind: ClassVar[str] = "sigmoid"


@dataclass(frozen=True, repr=False)
class Tanh(Activation):
    """y = tanh(x)."""

    kind: ClassVar[str] = "tanh"


@dataclass(frozen=True, repr=False)
class Softmax(Activation):
    """y_i = exp(x_i) / sum_j exp(x_j) over the features of a sample (Bridle, 1990)."""

    kind: ClassVar[str] = "softmax"


TABLE: dict[str, type[Activation]] = {
    cls.kind: cls for cls in (Identity, ReLU, LeakyReLU, Sigmoid, Tanh, Softmax)
}

ALIASES = {
    "linear": "identity",
    "none": "identity",
    "logistic": "sigmoid",
    "leakyrelu": "leaky_relu",
    "lrelu": "leaky_relu",
}


def get(activation: str | Activation | None) -> Activation:
    """The activation for a name, an object, or None (identity).

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    if activation is None:
        return Identity()
    return resolve(activation, TABLE, "activation", ALIASES)
