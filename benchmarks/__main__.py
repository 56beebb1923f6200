"""python -m benchmarks [what ...]: everything, or what is named."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

from . import estimators, memory, parts, picture, regression, report, sparse, threads
from .cases import MANY, PREDICT, TRAIN
from .peers import SYSTEMS
from .race import QUICK, Effort
from .train import CASES, races

STEMS = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))
SUITES = (
    *("train", "many", "parts", "threads", "predict", "memory", "sparse", "regression", "sklearn"),
)
ALL_SYSTEMS = sorted({name for systems in SYSTEMS.values() for name in systems})


def one_of(names: list[str], found: str) -> list[str]:
    """A comma-separated choice, checked."""
    chosen = [name.strip() for name in found.split(",")]
    for name in chosen:
        if name not in names:
            raise argparse.ArgumentTypeError(f"unknown: {name!r}; there are: {', '.join(names)}")
    return chosen


def parser() -> argparse.ArgumentParser:
    names = [case.name for case in (*TRAIN, *MANY, *PREDICT)]
    p = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Training, threads, inference and memory against other libraries (install the "
        "extra `benchmarks` for them; what is missing is skipped), parts of a network against a "
        "plain one, and single operations against the numpy reference.",
    )
    everything = [*SUITES, *STEMS]
    p.add_argument("what", nargs="*", help=f"of {', '.join(everything)}; all of them if none")
    p.add_argument("--cases", type=lambda s: one_of(names, s), default=names, metavar="NAME,...",
                   help=f"of {', '.join(names)}")
    p.add_argument("--systems", type=lambda s: one_of(ALL_SYSTEMS, s), default=[],
                   metavar="NAME,...", help=f"of {', '.join(ALL_SYSTEMS)}")
    p.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N",
                   help="numbers of threads that each system is tried with (default: 1 2)")
    p.add_argument("--quick", action="store_true", help="few windows: to see that it runs")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    p.add_argument("--picture", type=Path, metavar="FILE",
                   help="draw the training cases there (needs matplotlib)")
    return p


def main(arguments: list[str]) -> int:
    p = parser()
    options = p.parse_args(arguments)
    for name in options.what:
        if name not in (*SUITES, *STEMS):
            p.error(f"unknown benchmark {name!r}; there are: {', '.join((*SUITES, *STEMS))}")
    if options.picture and not importlib.util.find_spec("matplotlib"):
        p.error("--picture needs matplotlib, which is not installed")
    effort = QUICK if options.quick else Effort()
    results: dict[str, Any] = {}
    for name in options.what or (*SUITES, *STEMS):
        if name in CASES:
            cases = [case for case in CASES[name] if case.name in options.cases]
            done = races(cases, options.systems, options.threads, effort)
            results[name] = [r.as_dict() for one in done for r in one]
            if options.picture and name == "train":
                picture.draw(done, options.picture)
        elif name == "threads":
            results[name] = threads.main(effort)
        elif name == "parts":
            results[name] = parts.main(effort)
        elif name == "sklearn":
            results[name] = estimators.main(effort)
        elif name == "regression":
            results[name] = regression.main(options.quick)
        elif name == "memory":
            results[name] = memory.main(options.quick)
        elif name == "sparse":
            results[name] = sparse.main(options.quick)
        else:
            importlib.import_module(f"{__package__}.bench_{name}").main()
    if options.json:
        report.write(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
