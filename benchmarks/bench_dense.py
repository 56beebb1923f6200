"""Dense layers, forward and backward; the reference multiplies with numpy's BLAS."""

from __future__ import annotations

from collections.abc import Iterator

from .timing import DTYPES, Case, compare, normal

SHAPES = ((8, 4, 16), (32, 64, 64), (64, 784, 128), (256, 512, 512))


def cases() -> Iterator[Case]:
    for n, n_in, n_out in SHAPES:
        for dtype in DTYPES:
            x, w, b = normal(dtype, n, n_in), normal(dtype, n_in, n_out), normal(dtype, n_out)
            y = normal(dtype, n, n_out)
            size = f"{n}x{n_in}x{n_out}"
            yield Case(f"dense {size}", dtype, "dense_forward", (x, w, b))
            yield Case(f"dense backward {size}", dtype, "dense_backward", (x, w, y, y))


def main() -> None:
    compare("dense", cases())
