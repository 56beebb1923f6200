"""PReLU, forward and backward, with one slope and with one for each column."""

from __future__ import annotations

from collections.abc import Iterator

from .timing import DTYPES, Case, compare, normal


def cases() -> Iterator[Case]:
    for n, n_out in ((32, 10), (256, 512)):
        for dtype in DTYPES:
            x, dy = normal(dtype, n, n_out), normal(dtype, n, n_out)
            for count in (1, n_out):
                slope = abs(normal(dtype, count))
                size = f"{n}x{n_out}, {count} slope{'s' * (count > 1)}"
                yield Case(f"prelu {size}", dtype, "prelu_forward", (x, slope))
                yield Case(f"prelu backward {size}", dtype, "prelu_backward", (x, slope, dy))


def main() -> None:
    compare("prelu", cases())
