"""Clipping of gradients."""

from __future__ import annotations

from collections.abc import Iterator

from .timing import DTYPES, Case, compare, normal


def cases() -> Iterator[Case]:
    for n_in, n_out in ((64, 100), (512, 512)):
        for dtype in DTYPES:
            gradients = {"weight": normal(dtype, n_in, n_out), "bias": normal(dtype, n_out)}
            for name in ("clipvalue", "clipnorm", "global_clipnorm"):
                size = f"{name} {n_in}x{n_out}"
                yield Case(size, dtype, "clip_gradients", (gradients,), {name: 0.5})


def main() -> None:
    compare("clip", cases())
