"""Cholesky's factor, and the equations it solves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .timing import DTYPES, Case, compare, normal


def cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for n in (30, 300, 1000):
            g = normal("float64", n, n)
            a = (g.T @ g / n + np.eye(n)).astype(dtype)
            yield Case(f"cholesky {n}", dtype, "cholesky", (a,))
            yield Case(f"solve {n}", dtype, "cholesky_solve", (a, normal(dtype, n)))


def main() -> None:
    compare("cholesky", cases())
