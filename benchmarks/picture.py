"""The training races as a picture: a line a case, a mark a system, microseconds on a log axis."""

from __future__ import annotations

from pathlib import Path

from .peers import OWN, PEAK
from .race import Result, best_of_threads

# Colours of Okabe and Ito, which the colour-blind tell apart; a mark of its own besides.
STYLES = {
    OWN: ("#000000", "D"),
    "jax scan": ("#0072B2", "o"),
    "jax step": ("#56B4E9", "s"),
    "torch.compile": ("#D55E00", "^"),
    "torch eager": ("#E69F00", "v"),
    "scikit-learn": ("#009E73", "P"),
    "numpy": ("#CC79A7", "X"),
}
AS = {"jax": "jax scan"}  # where a task has one way only


def draw(races: list[list[Result]], path: Path) -> None:
    """Medians at the best number of threads; the bar is from deltarule to the best peer. Without
    cases that hold systems to an instruction set, which not all of them let themselves."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    races = [results for results in races if not results[0].case.isa]
    figure = Figure(figsize=(9, 1.3 + 0.32 * len(races)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shown: dict[str, object] = {}
    for y, results in enumerate(races):
        of = {AS.get(r.system, r.system): r.median for r in best_of_threads(results)
              if r.system != PEAK and r.alike}
        of = {name: median for name, median in of.items() if name in STYLES}
        if OWN in of and len(of) > 1:
            nearest = min(median for name, median in of.items() if name != OWN)
            axes.plot((of[OWN], nearest), (y, y), color="#BBBBBB", linewidth=5, zorder=1)
            times = f"{nearest / of[OWN]:.2g}x"
            axes.annotate(times, (min(of[OWN], nearest), y), (-8, 0), textcoords="offset points",
                          ha="right", va="center", fontsize=8, color="#555555")
        for name, median in of.items():
            colour, mark = STYLES[name]
            size = 8 if name == OWN else 6
            shown[name], = axes.plot(median, y, mark, color=colour, markersize=size,
                                     linestyle="", label=name, zorder=3 if name == OWN else 2)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_time))
    axes.set_yticks(range(len(races)), [_label(results) for results in races], fontsize=8)
    axes.set_ylim(len(races) - 0.5, -0.5)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.grid(axis="y", color="#EEEEEE", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.margins(x=0.1)
    axes.set_xlabel("time of a training step (median, log scale); grey: from deltarule to the best "
                    "of the others", fontsize=9)
    handles = [shown[name] for name in STYLES if name in shown]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False,
                  fontsize=9)
    figure.savefig(path, dpi=150)


def _label(results: list[Result]) -> str:
    case = results[0].case
    widths, n = "", 0
    for i, width in enumerate(case.widths):  # 64-64-64 as 3x64
        n += 1
        if case.widths[i + 1 : i + 2] != (width,):
            widths += f"{'-' if widths else ''}{f'{n}x' if n > 2 else f'{width}-' * (n - 1)}{width}"
            n = 0
    return f"{case.name}   {widths}, batch {case.batch:,}"


def _time(us: float, _: object) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3), ("us", 1)):
        if us >= size:
            return f"{us / size:g} {unit}"
    return f"{us:g} us"
