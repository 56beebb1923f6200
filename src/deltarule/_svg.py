"""Pictures as inline SVG for the demo's page and for notebooks: curves, bars, digits, a heat map.

Colours are names of classes that the page's style sheet defines for light and for dark. Numbers and
names of ours only; a text from elsewhere has to go through `html.escape` first.
"""

import math
from collections.abc import Mapping, Sequence

from ._check import Array

__all__ = ["bars", "curves", "digit", "heat_map", "percentages"]

_LINE = 15  # distance between labels that do not touch
_PIECES = 200  # of a curve


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{text}</text>'


def ticks(low: float, high: float, log: bool) -> list[float]:
    """Three to seven round numbers between low and high."""
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        decades = range(first, last + 1, max(1, (last - first) // 4))
        for mantissas in ((1,), (1, 3), (1, 2, 5)):
            found = [m * 10.0**d for d in decades for m in mantissas if low <= m * 10.0**d <= high]
            if len(found) >= 3:
                return found
    if high == low:
        return [low]
    span = high - low
    unit = 10.0 ** max(math.floor(math.log10(span)), -300)  # no subnormal numbers
    step = next(unit * m for m in (0.1, 0.2, 0.5, 1, 2) if span / (unit * m) <= 6)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _thin(points: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """Of more than can be told apart, the extremes of each piece, and the last."""
    size = -(-len(points) // _PIECES)
    if size <= 2:
        return points
    pieces = (points[i : i + size] for i in range(0, len(points), size))
    ends = {end for piece in pieces for end in (min(piece, key=_value), max(piece, key=_value))}
    return sorted({*ends, points[-1]})


def _value(point: tuple[int, float]) -> float:
    return point[1]


def curves(
    series: Mapping[str, Sequence[float]], label: str, *, log: bool = False, percent: bool = False
) -> str:
    """Curves over the epochs, each with its name and last value at its end; two at most.

    Values that are not finite or too large for differences, and with a logarithmic axis those not
    above 0, are left out.
    """
    width, height, left, right, top, bottom = 440, 270, 44, 84, 12, 44
    points = {
        name: _thin([(i, v) for i, v in enumerate(vs, 1) if abs(v) < 1e300 and (v > 0 or not log)])
        for name, vs in series.items()
    }
    values = [v for found in points.values() for _, v in found] or [1.0]
    low, high = min(values), max(values)
    log = log and high > 1.1 * low  # below, there is no difference to be seen
    n = max(map(len, series.values()), default=1)

    def x(epoch: float) -> float:
        return left + (width - left - right) * (epoch - 1) / max(n - 1, 1)

    def y(value: float) -> float:
        if high == low:
            share = 0.5
        elif log:
            share = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
        else:
            share = (value - low) / (high - low)
        return height - bottom - (height - bottom - top) * share

    def shown(value: float) -> str:
        return f"{value:.4g}" if not percent else f"{100 * value:.4g} %"

    parts = []
    for tick in ticks(low, high, log):
        parts.append(f'<path class="grid" d="M{left} {y(tick):.1f}H{width - right}"/>')
        parts.append(_text(left - 6, y(tick) + 4, shown(tick), "faint", "end"))
    for epoch in sorted({1, *(e for e in range(0, n + 1, _round_step(n)) if e), n}):
        if epoch in (1, n) or n - epoch > 0.6 * _round_step(n):
            parts.append(_text(x(epoch), height - bottom + 18, str(epoch), "faint", "middle"))
    parts.append(_text((left + width - right) / 2, height - 8, "epoch", "faint", "middle"))
    ends = []
    for kind, (name, found) in zip(("first", "second"), points.items(), strict=False):
        if not found:
            continue
        path = "L".join(f"{x(e):.1f} {y(v):.1f}" for e, v in found)
        parts.append(f'<path class="line {kind}" d="M{path}"/>')
        parts.append(f'<circle class="dot {kind}" cx="{x(found[-1][0]):.1f}" '
                     f'cy="{y(found[-1][1]):.1f}" r="3.5"/>')  # fmt: skip
        ends.append((y(found[-1][1]), name, found[-1][1], kind))
    previous = -math.inf
    for level, name, value, kind in sorted(ends):
        previous = max(min(level, height - bottom - _LINE), previous + 2 * _LINE + 4)
        parts.append(_text(width - right + 10, previous, name, f"name {kind}"))
        text = f"{100 * value:.1f} %" if percent else f"{value:.3g}"
        parts.append(_text(width - right + 10, previous + _LINE, text, "faint"))
    return _svg(width, height, label, parts)


def _round_step(n: int) -> int:
    """Every how many epochs a label stands."""
    unit = 10 ** (len(str(n)) - 1)
    return next(s for s in (max(unit // 10, 1), unit // 2 or 1, unit, 2 * unit) if n / s <= 6.5)


def heat_map(counts: Array, label: str) -> str:
    """A table of counts: rows are the true classes, columns the answers; what is off the diagonal
    has another colour, the deeper the more."""
    n = len(counts)
    cell, left, top = 34, 40, 40
    size = left + n * cell + 2
    parts = [
        _text(left + n * cell / 2, 14, "read as", "faint", "middle"),
        f'<text class="faint" text-anchor="middle" transform="translate(12 {top + n * cell / 2:g}) '
        'rotate(-90)">is</text>',
    ]
    largest = [max(int(row.max()), 1) for row in counts]
    wrong = max([int(counts[i, j]) for i in range(n) for j in range(n) if i != j] + [1])
    for i in range(n):
        middle = i * cell + cell / 2
        parts.append(_text(left - 9, top + middle + 4, str(i), "name", "end"))
        parts.append(_text(left + middle, top - 9, str(i), "name", "middle"))
        for j in range(n):
            count = int(counts[i, j])
            kind = "first" if i == j else "second"
            depth = count / largest[i] if i == j else 0.45 + 0.55 * count / wrong
            depth = depth if count else 0
            x, y = left + j * cell, top + i * cell
            parts.append(
                f'<rect class="cell" x="{x + 1}" y="{y + 1}" width="{cell - 2}" '
                f'height="{cell - 2}" rx="4"/>'
            )
            if count:
                parts.append(
                    f'<rect class="fill {kind}" x="{x + 1}" y="{y + 1}" width="{cell - 2}" '
                    f'height="{cell - 2}" rx="4" fill-opacity="{depth:.2f}"/>'
                )
                on = "on" if depth > 0.6 else ""
                parts.append(_text(x + cell / 2, y + cell / 2 + 5, str(count), on, "middle"))
    return _svg(size, top + n * cell + 2, label, parts)


def digit(pixels: Array, label: str) -> str:
    """A square image, pixels in [0, 1]; paper is left out."""
    side = math.isqrt(pixels.size)
    parts = [
        f'<rect x="{i % side}" y="{i // side}" width="1" height="1" fill-opacity="{v:.2f}"/>'
        for i, v in enumerate(pixels.tolist())
        if v > 0
    ]
    return _svg(
        side, side, label, [f'<g class="ink" shape-rendering="crispEdges">{"".join(parts)}</g>']
    )


def percentages(shares: Sequence[float], answer: int, true: int, label: str) -> str:
    """Ten thin bars, one for each digit: how likely the network thinks it is."""
    pitch, height, base = 12, 30, 22
    parts = []
    for i, share in enumerate(shares):
        kind = "first" if i == true else "second" if i == answer else "other"
        bar = max(share * base, 0.6)
        parts.append(
            f'<rect class="fill {kind}" x="{i * pitch + 2}" y="{base - bar:.1f}" '
            f'width="{pitch - 4}" height="{bar:.1f}"/>'
        )
        strong = "tiny name" if i in (true, answer) else "tiny faint"
        parts.append(_text(i * pitch + pitch / 2, height, str(i), strong, "middle"))
    return _svg(len(shares) * pitch, height + 2, label, parts)


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """Lying bars from 0: (name, value, the value as text); the first has a colour of its own."""
    width, pitch, thick, left, right = 440, 44, 14, 2, 90
    longest = max(value for _, value, _ in rows) or 1.0
    parts = []
    for i, (name, value, text) in enumerate(rows):
        y = i * pitch + 14
        length = max((width - left - right) * value / longest, 1.5)
        kind = "first" if i == 0 else "other"
        parts.append(_text(left, y, name))
        parts.append(
            f'<rect class="fill {kind}" x="{left}" y="{y + 7}" width="{length:.1f}" '
            f'height="{thick}" rx="2"/>'
        )
        parts.append(_text(left + length + 8, y + 7 + thick - 2, text, "name"))
    return _svg(width, len(rows) * pitch + 4, label, parts)
