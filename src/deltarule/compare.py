"""``deltarule compare``: each operation, fast against reference, in error and in time.

**Error.** The largest distance of a fast result from its true value, in ulp (the spacing of the
numbers of the dtype there). True values are those of the reference, computed from the same
arguments in a wider type: float64 for float32 and numpy's longdouble for float64, which has 11 bits
more on x86. Where longdouble is no wider (Windows, Apple) the reference in float64 has to do, and
its own errors are in the figure: a few ulp. The report says which type was used. The ulp is one of

=====================  ===========================================================================
activation_forward,    the true value; for log_softmax the largest |y| of the row
loss_forward,
initialize
dense_forward,         the sum of |a||b| over the products a b that are added up, as rounding
dense_backward         errors of a sum are proportional to that (Higham, 2002, section 3.1)
activation_backward    the larger of |dx| and |dy|; for softmax the largest |dy y| of the row
batch_norm_*,          the sum of the magnitudes of the terms, as for dense
layer_norm_*,
rms_norm_backward
rms_norm_forward       the true value
loss_backward          the largest |dy| of the sample
noise_forward          |x| and the size of what is added to it, or the true value if larger
noise_backward         the true value
optimizer_step         the larger of the old and the new value
=====================  ===========================================================================

Random numbers are compared with the reference in the same type, and so are initial values in
float64: both backends promise the same bits there, so anything but 0 is a bug.

**Time.** The median over windows of a few milliseconds, in which fast and reference take turns, of
the time of one call, checks and the allocation of results included, after warming up. The ratio is
the reference's time by the fast one's: below 1 the fast one is slower, and the table marks it.
Other programs distort both, and numpy's products most: on two cores that a third process shared, a
product of 256 x 256 x 256 by its BLAS took 24 ms in place of 0.16. So the load at the start is
reported, and the table warns of it.

**Network.** One network trained by both backends from the same first weights: the median time of
``fit`` and the largest absolute difference between weights (and biases) at the end.

The JSON document is an object with

=============  ===================================================================================
schema         "deltarule.compare/1"; the number changes when a name or a meaning does
config         what :func:`deltarule.config` returns
quick          whether sizes and times were cut for a test
load           the number of processes that wanted to run in the minute before, null on Windows
truth          {"float32": type, "float64": type}: the type of the true values
operations     a list of {"operation", "variant" (or null), "size", "dtype", "error_ulp" (null where
               a result was not a number and should have been), "reference_seconds",
               "fast_seconds", "ratio"}
networks       a list of {"dtype", "layers", "samples", "epochs", "batch_size",
               "reference_seconds", "fast_seconds", "ratio", "max_difference"}
=============  ===================================================================================
"""

import dataclasses
import json
import math
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from time import perf_counter
from typing import Any

import numpy as np

import deltarule as dr

from ._cases import Case, all_cases, wide_type
from ._check import Array
from .data import load_digits

__all__ = ["Measurement", "Training", "measure", "run", "train"]

SCHEMA = "deltarule.compare/1"
DTYPES = ("float32", "float64")
_LAYERS = (64, 100, 10)
_BATCH_SIZE = 32


@dataclass(frozen=True)
class Effort:
    """How much is done: windows of `seconds` each for an operation, epochs and repeats of fit."""

    quick: bool
    windows: int
    seconds: float
    samples: int
    epochs: int
    repeats: int


FULL = Effort(quick=False, windows=9, seconds=4e-3, samples=1437, epochs=5, repeats=3)
QUICK = Effort(quick=True, windows=3, seconds=2e-4, samples=128, epochs=2, repeats=1)


@dataclass(frozen=True)
class Measurement:
    """One operation in one dtype; see the module for what the figures are."""

    operation: str
    variant: str
    size: str
    dtype: str
    error_ulp: float
    reference_seconds: float
    fast_seconds: float

    @property
    def ratio(self) -> float:
        """The reference's time by the fast one's."""
        return self.reference_seconds / self.fast_seconds


@dataclass(frozen=True)
class Training:
    """One network trained by both backends."""

    dtype: str
    layers: tuple[int, ...]
    samples: int
    epochs: int
    batch_size: int
    reference_seconds: float
    fast_seconds: float
    max_difference: float

    @property
    def ratio(self) -> float:
        """The reference's time by the fast one's."""
        return self.reference_seconds / self.fast_seconds


def error_in_ulp(result: Array, truth: Array, scale: Array, dtype: str) -> float:
    """The largest |result - truth| in ulp of `scale` in a dtype; inf where only one is nan.

    Below the smallest normal number an ulp is the spacing of subnormal numbers. Integers are
    compared as they are.
    """
    if result.shape != truth.shape:
        return math.inf
    if not result.size:
        return 0.0
    if result.dtype.kind != "f":
        return float(np.max(np.abs(result.astype(np.float64) - truth.astype(np.float64))))
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(scale).astype(dtype))
        error = np.abs(result.astype(truth.dtype) - truth) / unit
        equal = (result == truth) | (np.isnan(result) & np.isnan(truth))
    return float(np.max(np.where(equal, 0, np.where(np.isnan(error), np.inf, error))))


def measure(case: Case, effort: Effort = FULL) -> Measurement:
    """The error and the times of one case."""
    truth = case.truth()
    results, scales = case.run(dr.ops), case.scale(truth)
    errors = [
        error_in_ulp(*arrays, case.dtype) for arrays in zip(results, truth, scales, strict=True)
    ]
    reference, fast = _times(
        (lambda: case.run(dr.reference), lambda: case.run(dr.ops)), effort.windows, effort.seconds
    )
    return Measurement(
        case.operation, case.variant, case.size, case.dtype, max(errors), reference, fast
    )


def _times(
    calls: tuple[Callable[[], object], ...], windows: int, seconds: float
) -> tuple[float, ...]:
    """The median time of a call of each, in windows that take turns."""
    counts = []
    for call in calls:
        call()  # warm: caches, threads, what is imported late
        start = perf_counter()
        call()
        counts.append(max(1, round(seconds / max(perf_counter() - start, 1e-7))))
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(windows):
        for call, count, found in zip(calls, counts, times, strict=True):
            start = perf_counter()
            for _ in range(count):
                call()
            found.append((perf_counter() - start) / count)
    return tuple(map(statistics.median, times))


def train(dtype: str, effort: Effort = FULL) -> Training:
    """Trains the network of the demo for a few epochs with both backends."""
    images, labels = load_digits()
    x, y = (images[: effort.samples] / 16.0).astype(dtype), labels[: effort.samples]
    hidden, out = _LAYERS[1:]
    seconds: dict[str, list[float]] = {"reference": [], "fast": []}
    weights = {}
    for _ in range(effort.repeats):
        for backend, found in seconds.items():
            net = dr.Network(
                [dr.Dense(hidden, activation="relu"), dr.Dense(out, activation="softmax")],
                loss="cross_entropy",
                optimizer=dr.Adam(3e-3),
                dtype=dtype,
                backend=backend,
                seed=0,
            )
            net.build(_LAYERS[0])
            net.predict(x[:_BATCH_SIZE])  # warm
            start = perf_counter()
            net.fit(x, y, epochs=effort.epochs, batch_size=_BATCH_SIZE, verbose=False)
            found.append(perf_counter() - start)
            weights[backend] = net.parameters()
    return Training(
        dtype,
        _LAYERS,
        len(y),
        effort.epochs,
        _BATCH_SIZE,
        statistics.median(seconds["reference"]),
        statistics.median(seconds["fast"]),
        max_difference(weights["fast"], weights["reference"]),
    )


def max_difference(one: dict[str, Array], other: dict[str, Array]) -> float:
    """The largest absolute difference between two networks' parameters."""
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def measurements(effort: Effort) -> Iterator[list[Measurement | None]]:
    """Row by row: an operation in float32 (None where it has no such thing) and in float64."""
    single, double = (all_cases(dtype, effort.quick) for dtype in DTYPES)
    for pair in zip_longest(single, double):
        row: list[Measurement | None] = [None, None]
        for case in pair:
            if case is not None:
                row[DTYPES.index(case.dtype)] = measure(case, effort)
        yield row


def run(*, quick: bool = False, as_json: bool = False) -> None:
    """Measures everything and prints it: a table, row by row, or one JSON document at the end.

    quick: small arrays and short times, for a test that only asks whether it works.
    """
    effort = QUICK if quick else FULL
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if as_json:
        rows = [m for row in measurements(effort) for m in row if m is not None]
        document = _document(effort, load, rows, [train(dtype, effort) for dtype in DTYPES])
        print(json.dumps(document, indent=1, allow_nan=False))
        return
    from . import _compare_table as table  # not needed for JSON

    print(table.head(dr.config(), load), flush=True)
    rows = []
    for row in measurements(effort):
        print(table.row(row, rows), flush=True)
        rows += [m for m in row if m is not None]
    networks = [train(dtype, effort) for dtype in DTYPES]
    print(table.networks(networks))
    print(table.foot(rows, _truth()))


def _truth() -> dict[str, str]:
    """The types of the true values; numpy calls longdouble by its size, which says less."""
    names = {dtype: wide_type(dtype).name for dtype in DTYPES}
    return {d: name if name == "float64" else "longdouble" for d, name in names.items()}


def _document(
    effort: Effort, load: float | None, rows: list[Measurement], networks: list[Training]
) -> dict[str, Any]:
    operations = []
    for m in rows:
        values = dataclasses.asdict(m) | {"variant": m.variant or None, "ratio": m.ratio}
        if not math.isfinite(m.error_ulp):
            values["error_ulp"] = None
        operations.append(values)
    return {
        "schema": SCHEMA,
        "config": dr.config(),
        "quick": effort.quick,
        "load": load,
        "truth": _truth(),
        "operations": operations,
        "networks": [dataclasses.asdict(t) | {"ratio": t.ratio} for t in networks],
    }
