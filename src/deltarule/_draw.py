"""Pictures made of characters: curves, digits and a confusion matrix, for a terminal.

Every function returns lines. `Pen` says which characters there are: a terminal or a file that knows
only ASCII gets ASCII.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from ._check import Array

__all__ = ["ASCII", "UNICODE", "Pen", "beside", "confusion", "curves", "image", "pen_for"]


@dataclass(frozen=True)
class Pen:
    """marks: one for each curve; shades: from paper to ink; wall, floor, corner: the axes."""

    marks: str
    shades: str
    wall: str
    floor: str
    corner: str
    nothing: str


ASCII = Pen(marks="ox+*", shades=" .+%@", wall="|", floor="-", corner="+", nothing=".")
UNICODE = Pen(marks="●○▲△", shades=" ░▒▓█", wall="│", floor="─", corner="└", nothing="·")


def pen_for(stream: TextIO | None) -> Pen:
    """The characters that can be written to a stream."""
    try:
        "".join((UNICODE.marks, UNICODE.shades, UNICODE.corner)).encode(
            getattr(stream, "encoding", None) or "ascii"
        )
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def curves(
    series: Mapping[str, Sequence[float]],
    title: str,
    *,
    width: int = 40,
    height: int = 9,
    log: bool = False,
    percent: bool = False,
    pen: Pen | None = None,
) -> list[str]:
    """Curves over the epochs 1, 2, ... in `height` rows of `width` characters, with axes.

    log: the upright axis is logarithmic (what is not above 0 lies on the floor). percent: its
    labels are. Values that are not finite are left out. Later curves are drawn over earlier ones.
    """
    pen = pen or pen_for(sys.stdout)
    values = [v for vs in series.values() for v in vs if math.isfinite(v) and (v > 0 or not log)]
    low, high = (min(values), max(values)) if values else (1.0, 1.0)

    def level(value: float) -> float:
        """0 at the bottom, 1 at the top."""
        if high == low:
            return 0.5
        if not log:
            return (value - low) / (high - low)
        return math.log(max(value, low) / low) / math.log(high / low)

    paper = [[" "] * width for _ in range(height)]
    n = max(map(len, series.values()), default=0)
    for mark, ys in zip(pen.marks, series.values(), strict=False):
        for epoch, y in enumerate(ys):
            if math.isfinite(y):
                column = round(epoch * (width - 1) / max(n - 1, 1))
                paper[height - 1 - round(level(y) * (height - 1))][column] = mark

    def label(value: float) -> str:
        return f"{value:.1%}" if percent else f"{value:.2g}" if value else "0"

    labels = {0: label(high), height - 1: label(low)} if values else {}
    margin = max(map(len, labels.values()), default=0)
    legend = "   ".join(
        f"{mark} {name}" for mark, name in zip(pen.marks, series, strict=False) if len(series) > 1
    )
    lines = [f"{title}   {legend}".rstrip()]
    for row, characters in enumerate(paper):
        lines.append(f"{labels.get(row, ''):>{margin}} {pen.wall}{''.join(characters)}".rstrip())
    lines.append(f"{'':{margin}} {pen.corner}{pen.floor * width}")
    first, last = "epoch 1", str(n)
    lines.append(f"{'':{margin}}  {first}{last:>{max(width - len(first), len(last) + 1)}}")
    return lines


def image(pixels: Array, *, pen: Pen | None = None) -> list[str]:
    """A square image, pixels in [0, 1] row by row: two characters a pixel, as those are narrow."""
    pen = pen or pen_for(sys.stdout)
    side = math.isqrt(pixels.size)
    darkest = len(pen.shades) - 1
    # anything that is not paper shows
    tones = np.ceil(np.clip(pixels, 0, 1) * darkest).astype(int).reshape(side, side)
    return ["".join(pen.shades[tone] * 2 for tone in row) for row in tones.tolist()]


def confusion(counts: Array, *, pen: Pen | None = None) -> list[str]:
    """A table of counts: a row for each true class, a column for each answer."""
    pen = pen or pen_for(sys.stdout)
    width = max(3, len(str(counts.max()))) + 1
    head = "".join(f"{answer:>{width}}" for answer in range(counts.shape[1]))
    lines = [f"{'is':>3}  {'read as':>{width}}", f"{'':4} {head}"]
    for true, row in enumerate(counts.tolist()):
        cells = "".join(f"{count or pen.nothing:>{width}}" for count in row)
        lines.append(f"{true:>3}  {cells}")
    return lines


def beside(blocks: Sequence[Sequence[str]], *, gap: int = 3) -> list[str]:
    """Blocks of lines next to each other."""
    height = max(map(len, blocks), default=0)
    widths = [max(map(len, block), default=0) for block in blocks]
    lines = []
    for row in range(height):
        cells = [block[row] if row < len(block) else "" for block in blocks]
        text = (" " * gap).join(f"{c:<{w}}" for c, w in zip(cells, widths, strict=True))
        lines.append(text.rstrip())
    return lines
