"""Penalties of weights."""

from __future__ import annotations

from collections.abc import Iterator

from .timing import DTYPES, Case, compare, normal

RATES = {"l1": 1e-4, "l2": 1e-3}


def cases() -> Iterator[Case]:
    for n_in, n_out in ((64, 100), (512, 512)):
        for dtype in DTYPES:
            w, g = normal(dtype, n_in, n_out), normal(dtype, n_in, n_out)
            size = f"{n_in}x{n_out}"
            yield Case(f"penalty {size}", dtype, "penalty_forward", (w,), RATES)
            yield Case(f"penalty backward {size}", dtype, "penalty_backward", (w, g), RATES)


def main() -> None:
    compare("penalty", cases())
