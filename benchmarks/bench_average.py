"""Averages of weights."""

from __future__ import annotations

from collections.abc import Iterator

from .timing import DTYPES, Case, compare, normal


def cases() -> Iterator[Case]:
    for n_in, n_out in ((64, 100), (512, 512)):
        for dtype in DTYPES:
            w, old = normal(dtype, n_in, n_out), normal(dtype, n_in, n_out)
            yield Case(f"{n_in}x{n_out}", dtype, "average_step", (w, old), {"share": 0.01})


def main() -> None:
    compare("average", cases())
