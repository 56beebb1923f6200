"""Activations, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator

import deltarule as dr
from deltarule._check import ACTIVATIONS

from .timing import DTYPES, Case, compare, normal

SHAPES = ((32, 10), (256, 512))


def cases() -> Iterator[Case]:
    for name in ACTIVATIONS:
        for dtype in DTYPES:
            for shape in SHAPES:
                x, dy = normal(dtype, *shape), normal(dtype, *shape)
                y = dr.ops.activation_forward(name, x)
                size = "x".join(map(str, shape))
                yield Case(f"{name} {size}", dtype, "activation_forward", (name, x))
                backward = (name, x, y, dy)
                yield Case(f"{name} backward {size}", dtype, "activation_backward", backward)


def main() -> None:
    compare("activation", cases())
