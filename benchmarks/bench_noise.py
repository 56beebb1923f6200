"""Dropout, alpha dropout and Gaussian noise, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator

from deltarule._check import NOISES

from .timing import DTYPES, Case, compare, normal

SHAPES = ((32, 10), (256, 512))


def cases() -> Iterator[Case]:
    for name in NOISES:
        for dtype in DTYPES:
            for shape in SHAPES:
                arguments, options = (name, normal(dtype, *shape), 0.25), {"seed": 0}
                size = "x".join(map(str, shape))
                yield Case(f"{name} {size}", dtype, "noise_forward", arguments, options)
                yield Case(f"{name} backward {size}", dtype, "noise_backward", arguments, options)


def main() -> None:
    compare("noise", cases())
