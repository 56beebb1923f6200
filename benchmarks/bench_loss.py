"""Losses and their gradients."""

from __future__ import annotations

from collections.abc import Iterator

from deltarule._check import LOSSES

from .timing import DTYPES, Case, compare, normal

SHAPES = ((32, 10), (256, 100))


def cases() -> Iterator[Case]:
    for name in LOSSES:
        for dtype in DTYPES:
            for shape in SHAPES:
                y, t = normal(dtype, *shape), abs(normal(dtype, *shape))
                size = "x".join(map(str, shape))
                yield Case(f"{name} {size}", dtype, "loss_forward", (name, y, t))
                yield Case(f"{name} backward {size}", dtype, "loss_backward", (name, y, t))


def main() -> None:
    compare("loss", cases())
