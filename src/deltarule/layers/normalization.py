"""Normalisation of the data itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import _check_norm
from .._lowering import Builder
from ..initializers import Initializer, Ones, Zeros
from .base import Layer, Shape


@dataclass(frozen=True, repr=False)
class Normalization(Layer):
    """y = (x - mean) / sqrt(var), x (n, ...), of each number of a sample by itself: inputs on any
    scale come to mean 0 and variance 1.

    Mean and variance are measured by the first `fit`, over its X, or before by `net.adapt(X)`; then
    they are part of the model and stay. They are the parameters `running_mean` and `running_var`,
    which nothing learns. A number that is always the same has the variance 1.
    """

    kind: ClassVar[str] = "normalization"

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        return builder.add(
            "batch_norm",
            name,
            (source,),
            builder.widths[source],
            weight=False,
            bias=False,
            trainable=False,
            eps=_check_norm.LEAST_EPS,
        )

    def initializers(self) -> dict[str, Initializer]:
        return {"running_mean": Zeros(), "running_var": Ones()}
