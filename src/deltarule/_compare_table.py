"""The table of ``deltarule compare``, at most 100 columns wide, piece by piece."""

import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compare import Measurement, Training

_WIDTH = 98
_NAME = 28
_SLOWER = "<"
_BUSY = 0.3  # of the cores: above this the table warns


def head(config: Mapping[str, Any], load: float | None) -> str:
    """What runs, a warning where much else runs too, and the names of the columns."""
    threads = config["threads"]
    title = (
        f"deltarule {config['deltarule']}, {config['isa']}, {threads} thread"
        f"{'' if threads == 1 else 's'}; numpy {config['numpy']}; Python {config['python']}"
    )
    if load is not None and load > _BUSY * (os.cpu_count() or 1):
        title += (
            f"\nOTHER PROGRAMS ARE RUNNING (load {load:.1f}): the times are not to be relied on, "
            "the reference's\nof products least of all."
        )
    columns = f"{'ulp':>6}{'reference':>11}{'fast':>9}{'ratio':>7}  "
    return "\n".join(
        [title, "", f"{'':{_NAME}}{'float32':^35}{'float64':^35}".rstrip(),
         f"{'':{_NAME}}{columns * 2}".rstrip()]
    )  # fmt: skip


def row(pair: Sequence["Measurement | None"], before: Sequence["Measurement"]) -> str:
    """One line; with the operation's name above it where a new one with variants begins."""
    m = next(m for m in pair if m is not None)
    cells = "".join(_cells(each) for each in pair)
    if not m.variant:
        return f"{m.operation + ' ' + m.size:{_NAME}}{cells}".rstrip()
    line = f"{'  ' + m.variant:{_NAME}}{cells}".rstrip()
    if before and (before[-1].operation, before[-1].size) == (m.operation, m.size):
        return line
    return f"{m.operation} {m.size}\n{line}"


def _cells(m: "Measurement | None") -> str:
    if m is None:
        return f"{'-':>6}{'-':>11}{'-':>9}{'-':>7}  "
    return (
        f"{_ulp(m.error_ulp):>6}{duration(m.reference_seconds):>11}{duration(m.fast_seconds):>9}"
        f"{ratio(m.ratio):>7}{_SLOWER if m.ratio < 1 else ' '} "
    )


def networks(trained: Sequence["Training"]) -> str:
    """The lines about the network."""
    first = trained[0]
    lines = [
        "",
        f"network {'-'.join(map(str, first.layers))}, {first.samples:,} digits, {first.epochs} "
        f"epochs in batches of {first.batch_size}, Adam",
        f"{'':{_NAME}}{'reference':>12}{'fast':>12}{'ratio':>8}   largest weight difference",
    ]
    for t in trained:
        lines.append(
            f"{'  ' + t.dtype:{_NAME}}{duration(t.reference_seconds):>12}"
            f"{duration(t.fast_seconds):>12}{ratio(t.ratio):>8}{_SLOWER if t.ratio < 1 else ' '}"
            f"{t.max_difference:27.1e}"
        )
    return "\n".join(lines)


def foot(rows: Sequence["Measurement"], truth: Mapping[str, str]) -> str:
    """How to read it."""
    slower = sum(m.ratio < 1 for m in rows)
    wide = ", ".join(f"{wide} for {dtype}" for dtype, wide in truth.items())
    parts = [
        "reference, fast: the time of one call. ratio: reference / fast. "
        f"{_SLOWER} marks where fast is slower: {slower} of {len(rows)}.",
        "ulp: the largest error of a fast result, in ulp (spacing of floating-point numbers), "
        f"against the reference computed in a wider type ({wide}).",
        "An ulp is taken at the true value; of dense products at the sum of |a||b|; of activation_"
        "backward at the larger of |dx| and |dy| (softmax: the largest |dy y| of the row); of "
        "loss_backward at the largest |dy| of the sample; of noise_forward at |x| and what is "
        "added; of cholesky at the largest element; of optimizer steps at the larger of old and "
        "new value. Random numbers: 0 means the same bits.",
    ]
    return "\n" + "\n".join(textwrap.fill(part, _WIDTH) for part in parts)


def _ulp(error: float) -> str:
    if not math.isfinite(error) or error == 0:
        return "nan" if not math.isfinite(error) else "0"
    if error < 0.005:
        return "<0.01"
    return f"{error:.2f}" if error < 100 else f"{error:.1e}" if error >= 1e5 else f"{error:.0f}"


def _three(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def duration(seconds: float) -> str:
    """A time of three digits: "4.25 us"."""
    for unit, factor in (("us", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{_three(seconds * factor)} {unit}"
    return f"{_three(seconds)} s"


def ratio(value: float) -> str:
    """Three digits: "12.3"; what is below 1 never rounds up to it."""
    return _three(min(value, 0.99) if value < 1 else value)
