"""Batch normalisation, forward and backward; times of the fast one include the way into panels and
out of them, which a network does not go."""

from __future__ import annotations

from collections.abc import Iterator

from .timing import DTYPES, Case, compare, normal

SHAPES = ((32, 64), (256, 512))


def cases() -> Iterator[Case]:
    for n, n_out in SHAPES:
        for dtype in DTYPES:
            x, w, size = normal(dtype, n, n_out), normal(dtype, n_out), f"{n}x{n_out}"
            yield Case(f"batch_norm {size}", dtype, "batch_norm_forward", (x, w, w))
            yield Case(f"batch_norm backward {size}", dtype, "batch_norm_backward", (x, w, x))
            yield Case(
                f"batch_norm inference {size}", dtype, "batch_norm_inference", (x, w, w * w, w, w))


def main() -> None:
    compare("batch_norm", cases())
