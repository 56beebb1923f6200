"""Networks and histories as HTML for notebooks: tables and curves, in the notebook's own colours.

All texts are escaped here; what is called "parts" is HTML already.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from . import _svg

_FIGURES = 4  # at most: a history of many metrics has its table
_WIDE = 20  # from the smallest to the largest of values: more needs a logarithmic axis

# only what is inside the card; lines and letters have the notebook's colour, whether light or dark
_STYLE = """
.deltarule { --first: #3b82f6; --second: #d9730d; font-size: 13px; }
.deltarule .figures { display: flex; flex-wrap: wrap; gap: 12px; margin: 8px 0; }
.deltarule figure { margin: 0; width: 340px; }
.deltarule svg { width: 100%; height: auto; display: block; }
.deltarule svg text { fill: currentColor; font-size: 13px; } .deltarule .faint { opacity: .65; }
.deltarule .name.first { fill: var(--first); } .deltarule .name.second { fill: var(--second); }
.deltarule .grid { stroke: currentColor; opacity: .15; }
.deltarule .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.deltarule .line.first { stroke: var(--first); } .deltarule .line.second { stroke: var(--second); }
.deltarule .dot.first { fill: var(--first); } .deltarule .dot.second { fill: var(--second); }
.deltarule table { border-collapse: collapse; font: inherit; font-variant-numeric: tabular-nums;
  margin: 8px 0; }
.deltarule th, .deltarule td { text-align: left; padding: 2px 14px 2px 0; }
.deltarule .number { text-align: right; }
"""


def card(title: str, *parts: str) -> str:
    """Parts under a title."""
    inside = f"<style>{_STYLE}</style><b>{escape(title)}</b>{''.join(parts)}"
    return f'<div class="deltarule">{inside}</div>'


def note(text: str) -> str:
    """A line of text."""
    return f"<div>{escape(text)}</div>"


def table(rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """A table; the first row is its head. numbers: the columns that have some."""
    kinds = dict.fromkeys(numbers, ' class="number"')
    lines: list[str] = []
    for row in rows:
        tag = "td" if lines else "th"
        cells = (f"<{tag}{kinds.get(i, '')}>{escape(c)}</{tag}>" for i, c in enumerate(row))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def figures(columns: Mapping[str, Sequence[float]]) -> str:
    """Curves over the epochs, one picture for each value and the same of validation."""
    found = []
    for name in columns:
        if name.removeprefix("val_") != name and name.removeprefix("val_") in columns:
            continue
        series = {"training": columns[name]}
        if f"val_{name}" in columns:
            series["validation"] = columns[f"val_{name}"]
        values = [v for values in series.values() for v in values if math.isfinite(v)]
        if values:
            log = min(values) > 0 and max(values) > _WIDE * min(values)
            title = escape(name) + (", logarithmic" if log else "")
            picture = _svg.curves(series, f"{title}, over the epochs", log=log)
            found.append(f"<figure><figcaption>{title}</figcaption>{picture}</figure>")
    return f'<div class="figures">{"".join(found[:_FIGURES])}</div>'
