"""Adam and its kin: steps from running means of the gradient and of its square."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..schedules import Schedule
from .base import Optimizer


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), and AMSGrad (Reddi, Kale and Kumar, 2018).

        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        top <- max(top, v)                                      with amsgrad, in place of v below
        w <- w - learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    betas: two numbers in [0, 1). eps >= 2^-100; Keras has 1e-7, and adds it before the correction
    of v.
    """

    kind: ClassVar[str] = "adam"
    learning_rate: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    amsgrad: bool = False

    @property
    def rule(self) -> str:
        return "amsgrad" if self.amsgrad else "adam"

    @property
    def numbers(self) -> tuple[float, ...]:
        return (*self.betas, self.eps)


@dataclass(frozen=True, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    As Adam, but w <- w - learning_rate * weight_decay * w comes first. Keras has 0.004.
    """

    kind: ClassVar[str] = "adamw"
    _: KW_ONLY
    weight_decay: float = 0.01
    decoupled_weight_decay: bool = True


@dataclass(frozen=True, repr=False)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016).

        m, v as in Adam;  mu(t) = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        n = (1 - mu(t)) / (1 - mu(1) ... mu(t)) * g + mu(t + 1) / (1 - mu(1) ... mu(t + 1)) * m
        w <- w - learning_rate * n / (sqrt(v / (1 - beta2^t)) + eps)

    betas, eps as in Adam. momentum_decay >= 0. The learning rate is PyTorch's; Keras has 1e-3.
    """

    kind: ClassVar[str] = "nadam"
    learning_rate: float | Schedule = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum_decay: float = 4e-3

    @property
    def numbers(self) -> tuple[float, ...]:
        return (*self.betas, self.eps, self.momentum_decay)


@dataclass(frozen=True, repr=False)
class RAdam(Optimizer):
    """Rectified Adam (Liu et al., 2020): no division by sqrt(v) while it varies too much.

        m, v as in Adam;  most = 2 / (1 - beta2) - 1
        rho = most - 2 * t * beta2^t / (1 - beta2^t)
        r^2 = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
        w <- w - learning_rate * (m / (1 - beta1^t)) * r * sqrt(1 - beta2^t) / (sqrt(v) + eps)
        w <- w - learning_rate * m / (1 - beta1^t)              where rho <= 5

    betas, eps as in Adam. Keras has no RAdam.
    """

    kind: ClassVar[str] = "radam"
    learning_rate: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    @property
    def numbers(self) -> tuple[float, ...]:
        return (*self.betas, self.eps)


@dataclass(frozen=True, repr=False)
class Adamax(Optimizer):
    """Adam with the largest gradient in place of the mean square (Kingma and Ba, 2015).

        m <- beta1 * m + (1 - beta1) * g
        u <- max(beta2 * u, |g| + eps)
        w <- w - learning_rate / (1 - beta1^t) * m / u

    betas, eps as in Adam. The learning rate is PyTorch's; Keras has 1e-3, and eps beside u.
    """

    kind: ClassVar[str] = "adamax"
    learning_rate: float | Schedule = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    @property
    def numbers(self) -> tuple[float, ...]:
        return (*self.betas, self.eps)


@dataclass(frozen=True, repr=False)
class Lion(Optimizer):
    """The sign of a mean (Chen et al., 2023).

        w <- w - learning_rate * sign(beta1 * m + (1 - beta1) * g)
        m <- beta2 * m + (1 - beta2) * g

    betas: two numbers in [0, 1). Steps are as long as the learning rate, so it has to be some ten
    times smaller than Adam's. Defaults are Keras'; the paper, and so this optimizer, decouples the
    weight decay. PyTorch has no Lion.
    """

    kind: ClassVar[str] = "lion"
    learning_rate: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    _: KW_ONLY
    decoupled_weight_decay: bool = True

    @property
    def numbers(self) -> tuple[float, ...]:
        return self.betas


@dataclass(frozen=True, repr=False)
class LAMB(Optimizer):
    """Adam with steps as long as weights, for large batches (You et al., 2020, algorithm 2).

        m, v as in Adam
        r = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay * w
        w <- w - learning_rate * |w| / |r| * r          each array by itself; |w| / |r| is 1 where
                                                        one of them is 0

    betas as in Adam. eps is that of the authors' program; Keras has 1e-7. Decoupled weight decay is
    part of r, as said here; Keras takes it from w apart. PyTorch has no LAMB.
    """

    kind: ClassVar[str] = "lamb"
    learning_rate: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6
    _: KW_ONLY
    decoupled_weight_decay: bool = True

    @property
    def numbers(self) -> tuple[float, ...]:
        return (*self.betas, self.eps, self.weight_decay if self.decoupled_weight_decay else 0.0)
