"""The long form of test_processes.py and test_interrupt.py: `python -m tests.network.stress [n]`.

Everything n times (100): eight threads on one network and on networks of their own, forks, start
methods, joblib, and Ctrl-C in the fit of a large layer, whose latencies it prints. It fails where
bits differ or something hangs.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time

from deltarule import _fast

from .common import THREADS, scene

LIMIT = 3600.0  # seconds for a scene: only what hangs takes longer


def _told(what: str, result: str, began: float) -> None:
    print(f"{what:<58} {result:<34} {time.perf_counter() - began:6.1f} s", flush=True)


def _alike(n: int) -> None:
    """What yields one hash, or one `True`."""
    team = THREADS[:2][-1]
    scenes: list[tuple[str, dict[str, object]]] = [
        ("fork", {"rounds": n}),
        ("fork_in_c", {}),
        ("fork_from_a_thread", {}),
        ("fork_beside_others", {}),
        *(("start_method", {"method": method}) for method in ("fork", "spawn", "forkserver")),
        *(("in_joblib", {"kind": kind}) for kind in ("loky", "threading")),
        ("predict_in_threads", {"rows": 1500, "rounds": n}),
        ("train_in_threads", {"count": 8, "rounds": n}),
        ("exchange_parameters", {"rounds": n}),
    ]
    for name, arguments in scenes:
        began = time.perf_counter()
        found = scene(name, threads=team, limit=LIMIT, **arguments)
        results = found if isinstance(found, list) else [found]
        assert len(set(results)) == 1 and len(str(results[0])) in (len("True"), 64), results
        given = ", ".join(f"{key}={value}" for key, value in arguments.items())
        _told(f"{name}({given})", f"{len(results)} alike", began)


def _one_network(n: int) -> None:
    for threads in THREADS[:2]:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            counts = scene("one_network", threads=threads, rounds=n, folder=folder, limit=LIMIT)
        text = " ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        _told(f"one_network({threads} threads): {text}", "as one by one", began)


def _ctrl_c(n: int) -> None:
    """Latencies in ms: half of them, nine of ten, all but one in a hundred, all."""
    best = _fast.isa_names()[_fast.isa_current()]
    for isa, width in ((best, 2048), ("generic", 1024)):
        began = time.perf_counter()
        lasts, *late = scene(
            "interrupt_fit", env={"DELTARULE_ISA": isa}, threads=None, times=n, width=width,
            batch_size=256, limit=LIMIT,
        )  # fmt: skip
        late.sort()
        assert late[0] >= 0, "a fit was over before the signal"
        at = [1e3 * late[int(share * (n - 1))] for share in (0.5, 0.9, 0.99, 1)]
        text = "50 % {:.0f}, 90 % {:.0f}, 99 % {:.0f}, most {:.0f} ms".format(*at)
        _told(f"Ctrl-C in {n} fits, {isa}, {lasts / 4:.2f} s a step", text, began)


if __name__ == "__main__":
    # what a shell runs in the background ignores Ctrl-C, and so would the scenes
    signal.signal(signal.SIGINT, signal.default_int_handler)
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    _alike(times)
    _one_network(times)
    _ctrl_c(times)
