"""Batch normalisation."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from .. import _check, _check_norm
from .._lowering import Builder
from ..initializers import Initializer, Ones, Zeros
from .base import Layer, Shape, check_factor, check_rank_1


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, x (n, features), of each feature by itself
    (Ioffe and Szegedy, 2015).

    In training, mean and variance are those of the batch, sums over its rows divided by n, whatever
    the weights of samples. predict and evaluate take running ones, which follow at every update:

        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * n / (n - 1)

    A batch of one row (the last of an epoch may be) has y = bias, and the running ones stay.

    eps: added to the variance, >= 1e-20.
    momentum: how far the running statistics go, in [0, 1]; PyTorch's, which is 1 minus Keras'.
    affine: whether there are weight and bias, (features,) each, at first ones and zeros.
    trainable: False keeps weight, bias and the running statistics as they are, and training, too,
        takes the running ones (as in Keras).
    learning_rate_factor: as in Dense.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "batch_norm"
    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True
    trainable: bool = True
    _: KW_ONLY
    learning_rate_factor: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", _check_norm.eps(self.eps))
        object.__setattr__(self, "momentum", _check_norm.momentum(self.momentum))
        object.__setattr__(self, "affine", _check.boolean("affine", self.affine))
        object.__setattr__(self, "trainable", _check.boolean("trainable", self.trainable))
        check_factor(self)

    @property
    def least_batch(self) -> int:
        return 2 if self.trainable else 1

    def output_shape(self, input_shape: Shape) -> Shape:
        return check_rank_1("BatchNorm", input_shape)

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        return builder.add(
            "batch_norm",
            name,
            (source,),
            builder.widths[source],
            weight=self.affine,
            bias=self.affine,
            trainable=self.trainable,
            learning_rate_factor=self.learning_rate_factor,
            eps=self.eps,
            momentum=self.momentum,
        )

    def initializers(self) -> dict[str, Initializer]:
        first: dict[str, Initializer] = {"running_mean": Zeros(), "running_var": Ones()}
        return {"weight": Ones(), "bias": Zeros(), **first} if self.affine else first
