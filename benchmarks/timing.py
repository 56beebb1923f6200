"""Timing two or more ways to do the same thing, fairly.

They are interleaved in short windows, so that a change of the processor's clock or a noisy
neighbour meets them all alike. The best window says what the code can do, the median what to
expect.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np

import deltarule as dr

DTYPES = ("float32", "float64")
WINDOWS, SECONDS = 9, 0.01
Call = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Microseconds a call."""

    best: float
    median: float


def _window(call: Call, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return time.perf_counter() - start


def measure(
    *calls: Call, windows: int = WINDOWS, seconds: float = SECONDS, rest: float = 0.0
) -> list[Timing]:
    """The time of each call, from windows of about `seconds` taken in turn, each after a rest of
    so many seconds."""
    repeats = []
    for call in calls:
        call()  # pages, caches, the clock
        repeats.append(max(1, round(seconds / max(_window(call, 1), 1e-7))))
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(windows):
        for call, n, mine in zip(calls, repeats, times, strict=True):
            time.sleep(rest)
            mine.append(_window(call, n) / n * 1e6)
    return [Timing(min(mine), median(mine)) for mine in times]


def header(title: str, first: str, *columns: str) -> None:
    print(f"\n{title}, microseconds: best (median)")
    print(f"{first:44}" + "".join(f"{column:>22}" for column in columns))


def row(label: str, *timings: Timing, last: str = "") -> None:
    cells = "".join(f"{t.best:12.2f} ({t.median:7.2f})" for t in timings)
    print(f"{label:44}{cells}{last:>10}", flush=True)


class Case(NamedTuple):
    """A call to the function of that name in deltarule.ops and in deltarule.reference."""

    label: str
    dtype: str
    function: str
    arguments: tuple[Any, ...]
    options: Mapping[str, Any] = MappingProxyType({})

    def of(self, module: ModuleType) -> Call:
        return partial(getattr(module, self.function), *self.arguments, **self.options)


def compare(stem: str, cases: Iterable[Case]) -> None:
    """Prints fast against reference, and how many times the median of fast fits into its."""
    header(f"{stem} on {dr.get_isa()}", "", "fast", "reference")
    for case in cases:
        fast, slow = measure(case.of(dr.ops), case.of(dr.reference))
        row(f"{case.label} {case.dtype}", fast, slow, last=f"{slow.median / fast.median:.1f}x")


def normal(dtype: str, *shape: int) -> np.ndarray:
    values: np.ndarray = np.random.default_rng(0).normal(size=shape).astype(dtype)
    return values
