"""Layers that only change the shape of a sample: nothing is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from .. import _check
from .._lowering import Builder
from .base import MAX_RANK, Layer, Shape


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Samples of any shape become samples of rank 1: (n, 28, 28) becomes (n, 784), rows first."""

    kind: ClassVar[str] = "flatten"

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        return source


@dataclass(frozen=True, repr=False)
class Reshape(Layer):
    """Samples get another shape; the numbers stay where they are, rows first.

    shape: of a sample, without n; one size may be -1, which is what is left.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "reshape"
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = self.shape if isinstance(self.shape, tuple | list) else (self.shape,)
        if not 1 <= len(sizes) <= MAX_RANK:
            raise ValueError(
                f"shape must be the shape of a sample such as (28, 28), of 1 to {MAX_RANK} sizes, "
                f"got {sizes!r:.60}"
            )
        checked = tuple(
            -1 if size == -1 else _check.integer("shape", size, 1, 1 << 31) for size in sizes
        )
        if checked.count(-1) > 1:
            raise ValueError(f"shape may have one -1, got {checked}")
        object.__setattr__(self, "shape", checked)

    def __repr__(self) -> str:
        return f"Reshape({self.shape})"

    def output_shape(self, input_shape: Shape) -> Shape:
        size, known = math.prod(input_shape), math.prod(s for s in self.shape if s != -1)
        shape = tuple(size // known if s == -1 else s for s in self.shape)
        if math.prod(shape) != size:
            raise ValueError(
                f"Reshape({self.shape}) needs samples of as many numbers, got the shape "
                f"{input_shape}, which has {size}"
            )
        return shape

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        return source
