"""Steps of the optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deltarule.reference.optimizer import TABLE

from .timing import DTYPES, Case, compare, normal

# What a step cannot do without, or what makes it do all it can.
OPTIONS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.1, "momentum": 0.9},
    "adam": {"step": 10},
}


def cases() -> Iterator[Case]:
    for name, (_, n_states) in TABLE.items():
        for dtype in DTYPES:
            for size in (1000, 200_000):
                arrays = tuple(abs(normal(dtype, size)) for _ in range(2 + n_states))
                yield Case(f"{name} {size}", dtype, f"{name}_step", arrays, OPTIONS[name])


def main() -> None:
    compare("optimizer", cases())
