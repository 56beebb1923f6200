"""Normalisation of every sample by itself."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from .. import _check, _check_norm
from .._lowering import Builder
from ..initializers import Initializer, Ones, Zeros
from .base import Layer, Shape, check_factor, check_rank_1


@dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, x (n, features), with mean and variance of
    the features of each sample (Ba, Kiros and Hinton, 2016).

    eps: added to the variance, >= 1e-20.
    affine: whether there are weight and bias, (features,) each, at first ones and zeros.
    bias: False leaves out the bias alone.
    trainable: False keeps weight and bias as they are.
    learning_rate_factor: as in Dense.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "layer_norm"
    eps: float = 1e-5
    affine: bool = True
    bias: bool = True
    trainable: bool = True
    _: KW_ONLY
    learning_rate_factor: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", _check_norm.eps(self.eps))
        for name in ("affine", "bias", "trainable"):
            object.__setattr__(self, name, _check.boolean(name, getattr(self, name)))
        check_factor(self)

    def output_shape(self, input_shape: Shape) -> Shape:
        return check_rank_1("LayerNorm", input_shape)

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        return builder.add(
            "layer_norm",
            name,
            (source,),
            builder.widths[source],
            weight=self.affine,
            bias=self.affine and self.bias,
            trainable=self.trainable,
            learning_rate_factor=self.learning_rate_factor,
            eps=self.eps,
        )

    def initializers(self) -> dict[str, Initializer]:
        if not self.affine:
            return {}
        return {"weight": Ones(), "bias": Zeros()} if self.bias else {"weight": Ones()}


@dataclass(frozen=True, repr=False)
class RMSNorm(Layer):
    """y = x / sqrt(mean(x^2) + eps) * weight, x (n, features), with the mean over the features of
    each sample (Zhang and Sennrich, 2019).

    eps: added to the mean square, >= 1e-20; None is the machine epsilon of the network's dtype,
        2^-23 or 2^-52, as in PyTorch.
    affine: whether there is a weight, (features,), at first ones.
    trainable: False keeps the weight as it is.
    learning_rate_factor: as in Dense.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "rms_norm"
    eps: float | None = None
    affine: bool = True
    trainable: bool = True
    _: KW_ONLY
    learning_rate_factor: float = 1.0

    def __post_init__(self) -> None:
        if self.eps is not None:
            object.__setattr__(self, "eps", _check_norm.eps(self.eps))
        for name in ("affine", "trainable"):
            object.__setattr__(self, name, _check.boolean(name, getattr(self, name)))
        check_factor(self)

    def output_shape(self, input_shape: Shape) -> Shape:
        return check_rank_1("RMSNorm", input_shape)

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        return builder.add(
            "rms_norm",
            name,
            (source,),
            builder.widths[source],
            weight=self.affine,
            trainable=self.trainable,
            learning_rate_factor=self.learning_rate_factor,
            eps=_check_norm.eps(self.eps, np.dtype(builder.dtype)),
        )

    def initializers(self) -> dict[str, Initializer]:
        return {"weight": Ones()} if self.affine else {}
