"""Constraints of weights."""

from __future__ import annotations

from collections.abc import Iterator

from deltarule._check_weights import CONSTRAINTS

from .timing import DTYPES, Case, compare, normal


def cases() -> Iterator[Case]:
    for name in CONSTRAINTS:
        for n_in, n_out in ((64, 100), (512, 512)):
            for dtype in DTYPES:
                w = normal(dtype, n_in, n_out)
                yield Case(f"{name} {n_in}x{n_out}", dtype, "constrain", (name, w))


def main() -> None:
    compare("constraint", cases())
