"""Threads: two cores against one, the automatic choice against fixed ones, and company.

Company: other processes that train (joblib's, or two that each may use all cores), and other
libraries that compute in the same process between our epochs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import Any

import deltarule as dr

from . import report
from .cases import TRAIN, Case
from .peers import BESIDE, OWN
from .race import Effort, Racer, allowed_cores, race
from .timing import measure

LARGE = ("mnist-l", "large", "higgs", "chain")
WIDTHS = (32, 64, 128, 256, 512)
BATCHES = (32, 64, 128, 256, 512)
TOGETHER = ("mnist", "mnist-l")
PEERS = ("torch eager", "numpy")
Rows = list[dict[str, Any]]


def named(names: tuple[str, ...]) -> list[Case]:
    return [case for case in TRAIN if case.name in names]


def scaling(effort: Effort) -> Rows:
    """All cores against one, median against median and best against best."""
    most, found = len(allowed_cores()), []
    for case in named(LARGE):
        one, all_ = (r for r in race(case, [OWN], [1, most], effort) if r.system == OWN)
        found.append({
            "case": case.name, "threads": most, "one_us": one.median, "all_us": all_.median,
            "ratio": one.median / all_.median, "ratio_of_best": one.best / all_.best,
        })
    print(f"\n{most} threads against one")
    report.table(
        ("", "1 thread, median us", f"{most} threads", "times", "times, best windows"),
        [(f["case"], report.number(f["one_us"]), report.number(f["all_us"]), f"{f['ratio']:.2f}",
          f"{f['ratio_of_best']:.2f}") for f in found],
    )
    return found


def choice(effort: Effort) -> Rows:
    """The automatic choice against every fixed number of threads, on 10-w-w-10."""
    from .peers.own import TrainPlan

    numbers = list(range(1, (len(allowed_cores()) if dr.config()["openmp"] else 1) + 1))
    found = []

    def on(n: int | None, epoch: Callable[[int], None]) -> Callable[[], None]:
        def call() -> None:
            dr.set_num_threads(n, exact=n is not None)
            epoch(1)

        return call

    try:
        for width in WIDTHS:
            for batch in BATCHES:
                case = Case(f"{width} x {batch}", (10, width, width, 10), batch, 8 * batch)
                epoch = TrainPlan(case, 1).run
                calls = [on(n, epoch) for n in (None, *numbers)]
                times = measure(*calls, windows=effort.windows, seconds=effort.seconds / 2)
                auto, *fixed = (t.median / case.steps for t in times)
                found.append({
                    "width": width, "batch": batch, "auto_us": auto, "fixed_us": fixed,
                    "ratio": auto / min(fixed),
                })
    finally:
        dr.set_num_threads(None)
    print("\n10-w-w-10: the automatic choice of threads, median us a step")
    report.table(
        ("width x batch", *(f"just {n}" for n in numbers), "automatic", "automatic / best"),
        [(f"{f['width']} x {f['batch']}", *map(report.number, f["fixed_us"]),
          report.number(f["auto_us"]), f"{f['ratio']:.3f}") for f in found],
    )
    worst = max(found, key=lambda f: f["ratio"])
    print(f"worst: {worst['width']} x {worst['batch']}, {worst['ratio']:.3f}")
    return found


def _together(case: Case, threads: int, places: list[list[int]], effort: Effort) -> float:
    """Processes that train at the same time, each a network of its own; their median."""
    times = []
    with ExitStack() as stack:
        racers = [Racer(case, OWN, threads, cores) for cores in places]
        for racer in racers:
            stack.callback(racer.close)
            racer.receive()
        for racer in racers:
            racer.calibrate(4 * effort.seconds)  # long enough to run side by side
        for _ in range(effort.windows):
            for racer in racers:
                racer.begin()
            times += [racer.end() for racer in racers]
    return median(times)


def crowd(effort: Effort) -> Rows:
    """A process a core, each free to use all of them, against each on a core of its own."""
    cores, found = allowed_cores(), []
    for case in named(TOGETHER):
        own = _together(case, 1, [[core] for core in cores], effort)
        free = _together(case, len(cores), [cores] * len(cores), effort)
        found.append(_company(case, f"{len(cores)} processes on all cores", own, free))
    return found


def _job(case: Case, seconds: float) -> float:
    """In a process of joblib: microseconds a step over about so many seconds."""
    from .peers.own import network

    net, (x, t), epochs = network(case), case.data(), 0
    net.fit(x, t, batch_size=case.batch, verbose=False)
    start = time.perf_counter()
    while (took := time.perf_counter() - start) < seconds:
        net.fit(x, t, epochs=4, batch_size=case.batch, verbose=False)
        epochs += 4
    return took * 1e6 / (epochs * case.steps)


def joblib(effort: Effort) -> Rows:
    """joblib gives each of its workers its part of the cores; one job alone, then one a core."""
    try:
        from joblib import Parallel, delayed
    except ImportError as error:
        print(f"skipped: joblib: {error}")
        return []
    n, found = len(allowed_cores()), []
    with Parallel(n_jobs=n) as workers:
        for case in named(TOGETHER):
            alone, both = [], []
            for _ in range(effort.windows // 4 + 1):
                alone += workers(delayed(_job)(case, 8 * effort.seconds) for _ in range(1))
                both += workers(delayed(_job)(case, 8 * effort.seconds) for _ in range(n))
            found.append(_company(case, f"{n} joblib workers", median(alone), median(both)))
    return found


def _company(case: Case, how: str, alone: float, together: float) -> dict[str, Any]:
    return {
        "case": case.name, "how": how, "alone_us": alone, "together_us": together,
        "ratio": together / alone,
    }


def beside(effort: Effort) -> Rows:
    """Epochs in turn with those of another library, in one process: each alone, then each timed."""
    n, found = len(allowed_cores()), []
    for case in named(TOGETHER):
        for peer in PEERS:
            pairs = ((OWN, peer), (peer, OWN))
            systems = [s for one, other in pairs for s in (one, one + BESIDE + other)]
            results = {r.system: r for r in race(case, systems, [n], effort)}
            if missing := next((r for r in results.values() if r.word), None):
                print(f"skipped: {missing.system}: {missing.word}")
                continue
            for one, other in pairs:
                how = one + BESIDE + other
                found.append(_company(case, how, results[one].median, results[how].median))
    return found


def main(effort: Effort) -> dict[str, Rows]:
    found = {"scaling": scaling(effort), "choice": choice(effort)}
    together = crowd(effort) + joblib(effort) + beside(effort)
    print("\nin company, median us a step: alone (a core each), together")
    report.table(
        ("", "case", "alone", "together", "times"),
        [(f["how"], f["case"], report.number(f["alone_us"]), report.number(f["together_us"]),
          f"{f['ratio']:.2f}") for f in together],
    )
    return found | {"company": together}
