"""SGD, and those that have found a length of its own for the step of each parameter before Adam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..schedules import Schedule
from .base import Optimizer


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964; nesterov:
    Nesterov, 1983, as rewritten by Sutskever et al., 2013).

        velocity <- momentum * velocity + g
        w <- w - learning_rate * velocity
        w <- w - learning_rate * (g + momentum * velocity)      with nesterov

    learning_rate: the default is PyTorch's; Keras has 0.01. momentum in [0, 1), where 0 keeps no
    velocity; nesterov needs momentum > 0. There is no dampening. Keras has the learning rate inside
    the velocity, which differs where it changes. Decoupled weight decay makes it SGDW.
    """

    kind: ClassVar[str] = "sgd"
    learning_rate: float | Schedule = 1e-3
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum > 0, got momentum=0.0")

    @property
    def rule(self) -> str:
        return "sgd" if self.momentum == 0 else "nesterov" if self.nesterov else "momentum"

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.momentum,)


@dataclass(frozen=True, repr=False)
class Rprop(Optimizer):
    """A step of its own for each parameter, by the signs of its gradients alone (Riedmiller and
    Braun, 1993; as varied by Igel and Huesken, 2000). For batches that are all of the data.

        step <- step * (etas[1] where g and the gradient before have one sign, etas[0] where two)
        step <- min(max(step, step_sizes[0]), step_sizes[1])
        w <- w - sign(g) * step     but where the sign has changed, w stays, and g counts as 0 then

    step begins with learning_rate. 0 < etas[0] < 1 < etas[1], 0 < step_sizes[0] <= step_sizes[1].
    Signs are compared, not multiplied as in PyTorch: a product may be too small for the dtype.
    """

    kind: ClassVar[str] = "rprop"
    learning_rate: float = 1e-2
    etas: tuple[float, float] = (0.5, 1.2)
    step_sizes: tuple[float, float] = (1e-6, 50.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.learning_rate, Schedule):
            raise TypeError("learning_rate must be a number: Rprop only begins with it")
        if not self.etas[0] < 1 < self.etas[1]:
            raise ValueError(f"etas must be below 1 and above 1, got {self.etas}")
        if self.step_sizes[0] > self.step_sizes[1]:
            raise ValueError(f"step_sizes must be the least and the largest, got {self.step_sizes}")

    @property
    def numbers(self) -> tuple[float, ...]:
        return (*self.etas, *self.step_sizes)

    @property
    def initial_state(self) -> tuple[float, ...]:
        return (0.0, self.learning_rate)


@dataclass(frozen=True, repr=False)
class Adagrad(Optimizer):
    """Gradients by the root of the sum of all squares so far (Duchi, Hazan and Singer, 2011).

        s <- s + g^2
        w <- w - learning_rate * g / (sqrt(s) + eps)

    s begins with initial_accumulator_value >= 0. Defaults are PyTorch's; Keras has a learning rate
    of 1e-3, 0.1 to begin with and eps = 1e-7 inside the root.
    """

    kind: ClassVar[str] = "adagrad"
    learning_rate: float | Schedule = 1e-2
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.eps,)

    @property
    def initial_state(self) -> tuple[float, ...]:
        return (self.initial_accumulator_value,)


@dataclass(frozen=True, repr=False)
class RMSprop(Optimizer):
    """Gradients by the root of their mean square (Tieleman and Hinton, 2012; centered: Graves,
    2013).

        v <- alpha * v + (1 - alpha) * g^2
        m <- alpha * m + (1 - alpha) * g                        with centered
        n = g / (sqrt(v) + eps)                                 centered: v - m^2, at least 0, for v
        b <- momentum * b + n                                   with momentum, in place of n below
        w <- w - learning_rate * n

    alpha ("rho" in Keras), momentum in [0, 1). Learning rate and alpha are PyTorch's; Keras has
    1e-3 and 0.9, eps = 1e-7 inside the root, and the learning rate inside b.
    """

    kind: ClassVar[str] = "rmsprop"
    learning_rate: float | Schedule = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    @property
    def rule(self) -> str:
        return "rmsprop" + "_centered" * self.centered + "_momentum" * (self.momentum != 0)

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.alpha, self.eps, self.momentum)


@dataclass(frozen=True, repr=False)
class Adadelta(Optimizer):
    """Steps of the size of earlier steps (Zeiler, 2012).

        v <- rho * v + (1 - rho) * g^2
        n = sqrt((u + eps) / (v + eps)) * g
        u <- rho * u + (1 - rho) * n^2
        w <- w - learning_rate * n

    rho in [0, 1). Defaults are PyTorch's; Keras has a learning rate of 1e-3, rho of 0.95 and eps of
    1e-7.
    """

    kind: ClassVar[str] = "adadelta"
    learning_rate: float | Schedule = 1.0
    rho: float = 0.9
    eps: float = 1e-6

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.rho, self.eps)
