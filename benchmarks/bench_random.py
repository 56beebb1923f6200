"""Random numbers and initial values."""

from __future__ import annotations

from collections.abc import Iterator

from deltarule import reference
from deltarule._check import INITIALIZERS

from .timing import DTYPES, Case, compare

NAMES = [name for name in reference.__all__ if name.startswith("random_")]
STREAM = {"seed": 0, "purpose": "weight"}


def cases() -> Iterator[Case]:
    for name in NAMES:
        for n in (100, 20_000):
            kind = getattr(reference, name)(0, **STREAM).dtype.name
            yield Case(f"{name} {n}", kind, name, (n,), STREAM)
    for name in INITIALIZERS:
        for dtype in DTYPES:
            options = {"seed": 0, "dtype": dtype}
            yield Case(f"{name} 128x64", dtype, "initialize", (name, 128, 64), options)


def main() -> None:
    compare("random", cases())
