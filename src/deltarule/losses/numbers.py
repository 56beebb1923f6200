"""Losses of numbers: y are outputs (n, n_out), t targets, d = y - t."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Loss


@dataclass(frozen=True, repr=False)
class MSE(Loss):
    """l = mean over the outputs of d^2: least squares (Legendre, 1805)."""

    kind: ClassVar[str] = "mse"
    decides: ClassVar[str] = "either"


@dataclass(frozen=True, repr=False)
class MAE(Loss):
    """l = mean over the outputs of |d|; the slope at d = 0 is 0 (Boscovich, 1757)."""

    kind: ClassVar[str] = "mae"
    decides: ClassVar[str] = "either"


@dataclass(frozen=True, repr=False)
class Huber(Loss):
    """l = mean over the outputs of d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2)
    (Huber, 1964).

    delta: finite and > 0. PyTorch's HuberLoss; its SmoothL1Loss(beta) is this over beta.
    """

    kind: ClassVar[str] = "huber"
    decides: ClassVar[str] = "either"
    delta: float = 1.0

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.delta,)


@dataclass(frozen=True, repr=False)
class LogCosh(Loss):
    """l = mean over the outputs of log(cosh(d)): nearly d^2 / 2, and far out |d| - log(2) (Green,
    1990), as in Keras."""

    kind: ClassVar[str] = "log_cosh"
    decides: ClassVar[str] = "either"


@dataclass(frozen=True, repr=False)
class Quantile(Loss):
    """l = mean over the outputs of max(-level * d, (1 - level) * d), the pinball loss: least at the
    quantile of that level (Koenker and Bassett, 1978). The slope at d = 0 is 0.

    levels: a number between 0 and 1, or up to 99 of them; 0.5 is the median, and half of MAE.

    The last layer has an output for each target and level. Those of a target follow each other: y
    is (n, targets), or (n,) for one target, and predict(X).reshape(n, targets, levels) tells them
    apart. Nothing keeps the quantiles of a sample in order. PyTorch and Keras have no such loss.
    """

    kind: ClassVar[str] = "quantile"
    levels: tuple[float, ...] = (0.5,)

    @property
    def parameters(self) -> tuple[float, ...]:
        return self.levels

    @property
    def per_target(self) -> int:
        return len(self.levels)


@dataclass(frozen=True, repr=False)
class Poisson(Loss):
    """l = mean over the outputs of rate - t * log(rate): the negative log-likelihood of counts t,
    without the logarithm of t! (Nelder and Wedderburn, 1972).

    log_input: True, as in PyTorch: the last layer puts out logarithms of rates (identity), or the
        rates as exp of them, with the same loss: exp(y) - t * y.
        False, as in Keras: it puts out the rates, by an activation that has no negative values:
        y - t * log(y + 1e-8).

    Targets are >= 0; they need not be whole.
    """

    kind: ClassVar[str] = "poisson"
    targets: ClassVar[str] = "counts"
    log_input: bool = True

    @property
    def parameters(self) -> tuple[float, ...]:
        return (float(self.log_input),)

    @property
    def outputs(self) -> tuple[str, ...]:
        if self.log_input:
            return ("exp", "identity")
        return ("exp", "softplus", "relu", "sigmoid", "hard_sigmoid", "softmax")

    @property
    def link(self) -> str:
        return "exp" if self.log_input else "identity"


@dataclass(frozen=True, repr=False)
class GaussianNLL(Loss):
    """l = mean over the targets of (log(v) + d^2 / v) / 2, the negative log-likelihood of a normal
    distribution whose mean and variance v depend on the sample, without log(2 pi) / 2 (Nix and
    Weigend, 1994).

    eps: added to the variance; finite and >= 1e-30.

    The last layer has two outputs for each target, one after the other: the mean and the logarithm
    of the variance (Kendall and Gal, 2017), v = exp(that) + eps. y is (n, targets), or (n,) for
    one target; predict(X).reshape(n, targets, 2) tells the two apart. PyTorch's GaussianNLLLoss
    is given the variance itself and cuts it off below eps.
    """

    kind: ClassVar[str] = "gaussian_nll"
    eps: float = 1e-6

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.eps,)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("identity",)

    @property
    def per_target(self) -> int:
        return 2


@dataclass(frozen=True, repr=False)
class Cosine(Loss):
    """l = 1 - sum_k y_k t_k / (|y| |t|): the angle between output and target counts, lengths do not
    (Salton, Wong and Yang, 1975).

    |y| is sqrt(sum_k y_k^2 + 1e-12), as in PyTorch's CosineEmbeddingLoss with targets of 1. Keras'
    CosineSimilarity is this less 1. A target of zeros is refused: it has no direction.
    """

    kind: ClassVar[str] = "cosine"
    targets: ClassVar[str] = "directions"
    least: ClassVar[int] = 2
