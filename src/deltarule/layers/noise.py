"""Layers that disturb what passes in training, and let it pass otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import _check
from .._lowering import Builder
from .base import Layer, Shape


@dataclass(frozen=True, repr=False)
class Noise(Layer):
    """Base of these layers: y = x in `predict` and `evaluate`, and with noise in training.

    `gradients` is about training, too: it has the noise of the step that `train_on_batch` would
    make next. What is random depends on the network's seed, the layer and the step alone (see
    deltarule.ops.noise_forward), so that it is the same for any number of threads, on both
    backends and after save and resume.
    """

    @property
    def amount(self) -> float:
        """How much noise: the argument of deltarule.ops.noise_forward."""
        raise NotImplementedError

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        width = builder.widths[source]
        return builder.add("noise", name, (source,), width, noise=self.kind, amount=self.amount)


@dataclass(frozen=True, repr=False)
class Dropout(Noise):
    """y = 0 with chance p, else x / (1 - p), x (n, ...) (Srivastava, Hinton et al., 2014).

    p: 0 <= p < 1; the default is PyTorch's. Every element of every sample is dropped by itself, by
    a number of 32 bits.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "dropout"
    p: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", _check.fraction("p", self.p))

    @property
    def amount(self) -> float:
        return self.p


@dataclass(frozen=True, repr=False)
class AlphaDropout(Dropout):
    """y = s x + t and, with chance p, s l + t, x (n, ...), l = -1.758... being the limit of selu,
    s = ((1 - p) (1 + p l^2))^-1/2 and t = -s p l: mean 0 and variance 1 stay so, which is what selu
    needs (Klambauer, Unterthiner, Mayr and Hochreiter, 2017).

    p: 0 <= p < 1; the default is PyTorch's.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "alpha_dropout"


@dataclass(frozen=True, repr=False)
class GaussianNoise(Noise):
    """y = x + stddev z, x (n, ...), z normal with mean 0 and variance 1: Keras' layer; PyTorch has
    none (Bishop, "Training with noise is equivalent to Tikhonov regularization", 1995).

    stddev: >= 0.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "gaussian_noise"
    stddev: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "stddev", _check.non_negative_real("stddev", self.stddev))

    @property
    def amount(self) -> float:
        return self.stddev
