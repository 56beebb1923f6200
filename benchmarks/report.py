"""Results as tables and as JSON."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import deltarule as dr

from .peers import OWN, PEAK
from .race import Result, allowed_cores, best_of_threads

PACKAGES = ("numpy", "scikit-learn", "torch", "jax", "jaxlib", "onnxruntime", "joblib")


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in info if "model name" in line)
    except (OSError, StopIteration):
        model = platform.processor()
    return {
        "processor": model,
        "cores": len(allowed_cores()),
        "isa": dr.get_isa(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "deltarule": dr.__version__,
        "packages": versions,
        "date": datetime.date.today().isoformat(),
    }


def write(path: Path, what: dict[str, Any]) -> None:
    path.write_text(json.dumps({"machine": machine()} | what, indent=1) + "\n", encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The first column to the left, the others to the right, as wide as they must be."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        rest = (f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        print("  ".join([f"{line[0]:{widths[0]}}", *rest]).rstrip())


def number(x: float) -> str:
    """Four digits, more where it is larger, no exponent."""
    return f"{x:,.0f}" if x >= 1000 else f"{x:.4g}"


def peak_of(results: Iterable[Result]) -> Result | None:
    return next((r for r in results if r.system == PEAK and r.times), None)


def share(result: Result, peak: Result | None) -> float:
    """Of the peak of its threads: best window against best window."""
    return peak.best / result.best / result.threads if peak else 0.0


def is_own(system: str) -> bool:
    return system.startswith(OWN)


def best_peer(results: Iterable[Result]) -> Result | None:
    """The quickest, by medians, of those that do the same work."""
    alike = (r for r in results if r.times and r.alike and r.system != PEAK)
    return min((r for r in alike if not is_own(r.system)), key=lambda r: r.median, default=None)


def case_table(results: list[Result]) -> None:
    """All systems of a case, each at its best number of threads; deltarule also on one."""
    case, peak = results[0].case, peak_of(results)
    best = list(best_of_threads(results))
    own_one = [r for r in results if is_own(r.system) and r.threads == 1 and r.times]
    lines = [r for r in results if (r in best or r in own_one) and r.system != PEAK]
    base = next((r for r in best if r.system == OWN), None)
    title = f"\n{case.title}; {number(case.flops / 1e3)} kflop a step"
    print(title + (f"; peak {peak.gflops:.0f} GFLOP/s a core" if peak else ""))
    check = "loss" if case.trains else "norm"
    head = ("", "threads", "median us", "best us", "GFLOP/s", "of peak", "times", check, "")
    rows = []
    for r in sorted(lines, key=lambda r: r.median):
        marks = f"{r.start:.4f} -> {r.end:.4f}" if case.trains else f"{r.end:.5g}"
        rows.append((
            r.system, str(r.threads), number(r.median), number(r.best), number(r.gflops),
            f"{share(r, peak):.1%}", f"{r.median / base.median:.2f}" if base else "", marks,
            "" if r.alike else f"! unlike the others: {check}",
        ))
    table(head, rows)
    for system, word in dict.fromkeys((r.system, r.word) for r in results if r.word):
        print(f"skipped: {system}: {word}")


def summary(races: list[list[Result]]) -> None:
    """A line a case: deltarule on one thread and at its best, and the best peer of each."""
    head = ("", "threads", "median us", "best us", "GFLOP/s", "of peak", "best peer", "its us",
            "ratio")
    rows = []
    for results in races:
        for threads in (1, 0):
            of = [r for r in results if r.times and (not threads or r.threads == threads)]
            own = min((r for r in of if r.system == OWN), key=lambda r: r.median, default=None)
            if own is None or (not threads and len({r.threads for r in results}) == 1):
                continue
            peer = best_peer(of)
            rows.append((
                own.case.name if threads else "", "1" if threads else f"best ({own.threads})",
                number(own.median), number(own.best), number(own.gflops),
                f"{share(own, peak_of(results)):.1%}",
                *((f"{peer.system} ({peer.threads})", number(peer.median),
                   f"{peer.median / own.median:.2f}") if peer else ("-", "-", "-")),
            ))
    if rows:
        print("\nshares compare best windows, ratios compare medians")
        table(head, rows)
