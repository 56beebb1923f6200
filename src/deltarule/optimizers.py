"""Optimisers: a name such as "adam", or an object such as SGD(0.1, momentum=0.9).

Argument names and formulas are PyTorch's; SGD's learning rate has a default here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from . import _check
from ._spec import Spec, resolve


@dataclass(frozen=True, repr=False)
class Optimizer(Spec):
    """Base of the optimisers.

    n_slots: arrays kept for each parameter, its value included.
    """

    n_slots: ClassVar[int] = 1

    @property
    def engine(self) -> Optimizer:
        """What the engine is told."""
        return self

    def hyper(self) -> tuple[float, ...]:
        """The numbers that the engine takes, in its order."""
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak 1964; nesterov: Sutskever et al. 2013).

        g = g + weight_decay * w
        velocity = momentum * velocity + g
        w = w - learning_rate * (g + momentum * velocity  if nesterov else  velocity)

    learning_rate > 0; momentum in [0, 1); nesterov needs momentum > 0; weight_decay >= 0.
    """

    kind: ClassVar[str] = "sgd"
    n_slots: ClassVar[int] = 2
    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        rate = _check.positive_real("learning_rate", self.learning_rate)
        decay = _check.non_negative_real("weight_decay", self.weight_decay)
        object.__setattr__(self, "learning_rate", rate)
        object.__setattr__(self, "momentum", _check.fraction("momentum", self.momentum))
        object.__setattr__(self, "nesterov", _check.boolean("nesterov", self.nesterov))
        object.__setattr__(self, "weight_decay", decay)
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum > 0, got momentum=0.0")

    def hyper(self) -> tuple[float, ...]:
        return (self.learning_rate, self.momentum, float(self.nesterov), self.weight_decay)


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015).

    learning_rate > 0; betas: two numbers in [0, 1), the decay rates of the averages of the
    gradient and of its square; eps > 0, added to the root of the second.
    """

    kind: ClassVar[str] = "adam"
    n_slots: ClassVar[int] = 3
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        rate = _check.positive_real("learning_rate", self.learning_rate)
        _, first, second, eps = _check.adam_hyper(rate, self.betas, self.eps)
        object.__setattr__(self, "learning_rate", rate)
        object.__setattr__(self, "betas", (first, second))
        object.__setattr__(self, "eps", eps)

    def hyper(self) -> tuple[float, ...]:
        return (self.learning_rate, *self.betas, self.eps)


from .full_batch import LBFGS, LevenbergMarquardt  # noqa: E402

TABLE: dict[str, type[Optimizer]] = {cls.kind: cls for cls in (SGD, Adam, LBFGS, LevenbergMarquardt)}


def get(optimizer: str | Optimizer) -> Optimizer:
    """The optimiser for a name or an object.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    return resolve(optimizer, TABLE, "optimizer")
