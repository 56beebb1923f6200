"""layer_norm and rms_norm, forward and backward; times of the fast ones include the way into panels
and out of them, which a network does not go."""

from __future__ import annotations

from collections.abc import Iterator

from .timing import DTYPES, Case, compare, normal

SHAPES = ((32, 64), (256, 512))


def cases() -> Iterator[Case]:
    for n, n_out in SHAPES:
        for dtype in DTYPES:
            x, w, size = normal(dtype, n, n_out), normal(dtype, n_out), f"{n}x{n_out}"
            for name, parameters in (("layer_norm", (w, w)), ("rms_norm", (w,))):
                yield Case(f"{name} {size}", dtype, f"{name}_forward", (x, *parameters))
                yield Case(f"{name} backward {size}", dtype, f"{name}_backward", (x, w, x))


def main() -> None:
    compare("layer_norm", cases())
