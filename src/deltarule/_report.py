"""What a verification found: comparisons, and a table of them."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Check:
    """One comparison of two arrays.

    place: what they are: "1.weight gradient". compared: "fast operations against reference".
    ok: whether every element lies within its bound; nan and infinity never do.
    error: the largest error in units of its bound; 0.0 for the same bits, inf where bits should be
    the same and are not. ulp: the error of that element in units of its last place.
    index, got, expected: that element; index is () for a number.
    note: what else there is to say, or "".
    """

    place: str
    compared: str
    ok: bool
    error: float
    ulp: float
    index: tuple[int, ...]
    got: float
    expected: float
    note: str = ""

    def __str__(self) -> str:
        at = list(self.index) if self.index else "it"
        return (
            f"{self.place}, {self.compared}: {at} is {self.got:.9g}, expected {self.expected:.9g}"
        )


@dataclass(frozen=True)
class Report:
    """All comparisons of a verification; true where all are right, and printable."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def worst(self) -> Check:
        """Where to look: the largest error in units of its bound or, if there are failures, the
        first one. Comparisons are in the order in which results build on each other (single
        operations before whole networks, forward before backward), so that one is the closest to
        the cause."""
        for check in self.checks:
            if not check.ok:
                return check
        return max(self.checks, key=lambda check: check.error)

    def __str__(self) -> str:
        width = max(80, min(shutil.get_terminal_size().columns, 110))
        lines: list[str] = []
        compared = ""
        for check in self.checks:
            if check.compared != compared:
                compared = check.compared
                lines += [*([""] if lines else []), compared, _row(width, *_HEAD)]
            lines.append(_row(width, *_cells(check)))
        return "\n".join([*lines, "", self.verdict])

    @property
    def verdict(self) -> str:
        """The last line of the table."""
        worst = self.worst
        if self.ok:
            return (
                f"ok: {len(self.checks)} comparisons; the largest error is {worst.error:.2g} of "
                f"its bound: {worst.place}, {worst.compared}"
            )
        failed = sum(not check.ok for check in self.checks)
        more = f" ({failed} of {len(self.checks)} comparisons failed)" if failed > 1 else ""
        return f"FAILED: {worst}{more}"


_HEAD = ("place", "error", "ulp", "at", "got", "expected", "")


def _cells(check: Check) -> tuple[str, ...]:
    same = check.ok and check.error == 0
    place = f"{check.place} {check.note}" if check.note else check.place
    return (
        place,
        f"{check.error:.1g}",
        "-" if math.isnan(check.ulp) else f"{check.ulp:.1g}",
        "" if same else ",".join(map(str, check.index)),
        "" if same else f"{check.got:.3g}",
        "" if same else f"{check.expected:.3g}",
        "ok" if check.ok else "FAILED",
    )


def _row(width: int, place: str, *cells: str) -> str:
    """A line of the table: the place to the left, the rest in columns to the right of it."""
    columns = (6, 6, 9, 9, 9, 6)
    room = width - sum(columns) - len(columns)
    if len(place) > room:
        place = place[: room - 2] + ".."
    parts = [f"{cell:>{size}}" for cell, size in zip(cells[:-1], columns[:-1], strict=True)]
    return " ".join([f"{place:<{room}}", *parts, f"{cells[-1]:<{columns[-1]}}"]).rstrip()


def _ulps(got: float, expected: float, dtype: str) -> float:
    """The distance in units of the last place that the expected value has in dtype."""
    with np.errstate(all="ignore"):
        last_place = np.spacing(np.abs(np.asarray(expected).astype(dtype)))
        return float(np.abs(np.float64(got) - expected) / np.float64(last_place))


def _check(
    place: str, compared: str, got: Array, expected: Array, error: Array, dtype: str, note: str
) -> Check:
    """From the errors in units of their bounds."""
    if not error.size:
        return Check(place, compared, True, 0.0, 0.0, (), 0.0, 0.0, note or "empty")
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    largest = float(error[worst])
    one, other = np.asarray(got)[worst], np.asarray(expected)[worst]
    return Check(
        place,
        compared,
        largest <= 1,
        largest,
        float(_ulps(float(one), float(other), dtype)),
        tuple(int(i) for i in worst),
        float(one),
        float(other),
        note,
    )


def within(
    place: str,
    compared: str,
    got: npt.ArrayLike,
    expected: npt.ArrayLike,
    bound: npt.ArrayLike,
    dtype: str,
    note: str = "",
) -> Check:
    """Whether |got - expected| <= bound, elementwise; what is not finite is wrong."""
    one, other = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    limit = np.broadcast_to(np.asarray(bound, np.float64), other.shape)
    if one.shape != other.shape:
        raise AssertionError(f"{place}, {compared}: shapes {one.shape} and {other.shape}")
    with np.errstate(all="ignore"):
        difference = np.abs(one - other)
        error = np.where(difference == 0, 0.0, difference / limit)
    error = np.where(np.isfinite(difference) & ~np.isnan(error), error, np.inf)
    return _check(place, compared, one, other, error, dtype, note)


def same_bits(
    place: str, compared: str, got: npt.ArrayLike, expected: npt.ArrayLike, dtype: str
) -> Check:
    """Whether two arrays of one dtype have the same bits; what is not finite is wrong."""
    one, other = np.asarray(got, dtype), np.asarray(expected, dtype)
    if one.shape != other.shape:
        raise AssertionError(f"{place}, {compared}: shapes {one.shape} and {other.shape}")
    bits = f"u{one.dtype.itemsize}"
    # view() needs an array of at least one dimension
    differ = (np.ravel(one).view(bits) != np.ravel(other).view(bits)).reshape(one.shape)
    with np.errstate(all="ignore"):
        far = np.abs(one.astype(np.float64) - other.astype(np.float64))
    wrong = differ | ~np.isfinite(one)
    # the one that is off by most; every wrong one counts as infinitely far
    far = np.where(np.isfinite(far), far, np.inf)
    error = np.where(wrong, np.inf, 0.0)
    if wrong.any():
        pick = np.zeros(one.shape, bool)
        pick[np.unravel_index(int(np.argmax(np.where(wrong, far, -1.0))), one.shape)] = True
        error = np.where(pick, np.inf, 0.0)
    return _check(place, compared, one, other, error, dtype, "")
