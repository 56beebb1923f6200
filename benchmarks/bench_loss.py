"""Losses and their gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deltarule import losses

from .timing import DTYPES, Case, compare, normal

SHAPES = ((32, 10), (256, 100))


def cases() -> Iterator[Case]:
    for name, cls in losses.TABLE.items():
        for dtype in DTYPES:
            for n, n_out in SHAPES:
                y = normal(dtype, n, n_out)
                t = np.round(abs(normal(dtype, n, n_out)))  # counts, also 0 and 1
                if not cls().takes(labels=False):
                    t = t.argmax(axis=1)
                size = f"{n}x{n_out}"
                yield Case(f"{name} {size}", dtype, "loss_forward", (name, y, t))
                yield Case(f"{name} backward {size}", dtype, "loss_backward", (name, y, t))


def main() -> None:
    compare("loss", cases())
