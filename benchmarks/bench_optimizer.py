"""Steps of the optimizers."""

from __future__ import annotations

from collections.abc import Iterator

from deltarule.optimizers import RULES, examples

from .timing import DTYPES, Case, compare, normal


def cases() -> Iterator[Case]:
    for rule, optimizer in examples().items():
        for dtype in DTYPES:
            for size in (1000, 200_000):
                arrays = tuple(abs(normal(dtype, size)) for _ in range(2 + RULES[rule]))
                yield Case(
                    f"{rule} {size}", dtype, "optimizer_step", (optimizer, *arrays), {"step": 10}
                )


def main() -> None:
    compare("optimizer", cases())
