"""What deltarule shares its process with, before it is imported, after, and after training.

A program: `python neighbour.py` prints {stage: {aspect: anything}} as JSON. Nothing of the
environment may be imported here before the first look but numpy.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ctypes.util
import decimal
import faulthandler
import gc
import json
import locale
import logging
import multiprocessing
import os
import random
import resource
import signal
import sys
import threading
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

C = ctypes.CDLL(None)
GOMP = ctypes.util.find_library("gomp")  # the one that the extension is linked with, if it is
OPENMP = ctypes.CDLL(GOMP) if GOMP else None
SELF = Path("/proc/self")


# ------------------------------------------------------------------------- numbers of this process
def floating_point() -> Any:
    """How it rounds, and that subnormals are numbers; in this thread and in a new one."""
    found: list[Any] = []

    def look() -> None:
        tiny = [np.array([t], dtype) for t, dtype in ((1e-310, "f8"), (1e-40, "f4"))]
        found.append([ctypes.CDLL(ctypes.util.find_library("m")).fegetround()])
        found[-1] += [float((one / 2)[0]) for one in tiny] + [float((one * 2)[0]) for one in tiny]

    look()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found


def signals() -> Any:
    """Handlers as Python sees them, and what the system says is caught, ignored and blocked."""
    handlers = {int(s): repr(signal.getsignal(s)) for s in signal.valid_signals()}
    masks = [line for line in status() if line.startswith(("SigCgt", "SigIgn", "SigBlk"))]
    return handlers, masks, signal.getitimer(signal.ITIMER_REAL)


def status() -> list[str]:
    return (SELF / "status").read_text().splitlines() if SELF.exists() else []


def openmp_threads() -> Any:
    """What any other library that uses the same OpenMP goes by."""
    names = ("omp_get_max_threads", "omp_get_dynamic", "omp_get_max_active_levels")
    return [getattr(OPENMP, name)() for name in names if OPENMP]


def blas_threads() -> Any:
    """Of the BLAS that came with numpy."""
    lines = (SELF / "maps").read_text().splitlines() if SELF.exists() else []
    paths = {line.split()[-1] for line in lines if "openblas" in line}
    names = [f"{first}openblas_get_num_threads{last}" for first in ("", "scipy_")
             for last in ("", "64_", "_64")]  # fmt: skip
    loaded = map(ctypes.CDLL, sorted(paths))
    found = (getattr(library, name, None) for library in loaded for name in names)
    return [function() for function in found if function]


def threads() -> Any:
    """Python's; those of OpenMP stay, asleep: see spinning()."""
    return [thread.name for thread in threading.enumerate()]


# ------------------------------------------------------------------------- Python and its libraries
def random_state() -> Any:
    name, key, *others = np.random.get_state(legacy=True)
    return name, key.tolist(), others, repr(random.getstate())


def numpy_state() -> Any:
    call = np.geterrcall()
    return np.geterr(), repr(call), np.getbufsize(), repr(np.get_printoptions())


def warnings_filters() -> Any:
    return repr(warnings.filters), repr(warnings.showwarning), repr(warnings.formatwarning)


def locale_and_numbers() -> Any:
    return locale.setlocale(locale.LC_ALL), repr(decimal.getcontext())


def environment() -> Any:
    """Python's copy, and that of C."""
    get, names = C.getenv, sorted(os.environ)
    get.restype, get.argtypes = ctypes.c_char_p, [ctypes.c_char_p]
    return dict(os.environ), [repr(get(name.encode())) for name in names]


def place() -> Any:
    """Directory, mask, limits, niceness, processors."""
    masks = [line for line in status() if line.startswith(("Umask", "Cpus_allowed:"))]
    limits = [resource.getrlimit(what) for what in (resource.RLIMIT_AS, resource.RLIMIT_STACK)]
    return os.getcwd(), masks, limits, os.getpriority(os.PRIO_PROCESS, 0)


def descriptors() -> Any:
    return sorted(os.listdir(SELF / "fd")) if SELF.exists() else []


def interpreter() -> Any:
    """Switches that belong to the program."""
    hooks = [repr(hook) for hook in (sys.excepthook, sys.displayhook, threading.excepthook)]
    streams = [id(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)]
    numbers = [sys.getrecursionlimit(), sys.getswitchinterval(), threading.stack_size()]
    collector = [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()]
    traces = [tracemalloc.is_tracing(), faulthandler.is_enabled(), repr(sys.gettrace())]
    return hooks, streams, numbers, collector, traces, sys.path, list(map(repr, sys.meta_path))


def others() -> Any:
    """Logging, start method of processes, event loops."""
    root = logging.getLogger()
    policy = vars(asyncio.events).get("_event_loop_policy")
    start = multiprocessing.get_start_method(allow_none=True)
    return root.level, repr(root.handlers), logging.raiseExceptions, start, repr(policy)


ASPECTS: dict[str, Callable[[], Any]] = {
    look.__name__: look
    for look in (
        floating_point, signals, openmp_threads, blas_threads, threads, random_state, numpy_state,
        warnings_filters, locale_and_numbers, environment, place, descriptors, interpreter, others,
    )
}  # fmt: skip


# ------------------------------------------------------------------------------- what happens then
def train(verbose: bool) -> None:
    """Two threads in the core, all that `fit` may call, a diverging one, an error in a callback."""
    import deltarule as dr

    class Fails(dr.Callback):
        def on_epoch_end(self, training: dr.Training, values: Any) -> None:
            raise KeyError("of a callback")

    x = np.random.default_rng(0).normal(size=(600, 20))
    dr.set_num_threads(2, exact=dr.config()["openmp"])
    for backend in ("fast", "reference"):
        layers = [dr.Dense(50, "tanh"), dr.Dropout(0.1), dr.Dense(3, "softmax")]
        net = dr.Network(layers, "cross_entropy", metrics=["roc_auc"], backend=backend)
        net.fit(x, np.arange(600) % 3, epochs=2, validation_split=0.2, verbose=verbose)
        net.evaluate(x, np.arange(600) % 3)
        net.predict(np.full((5, 20), np.inf))
        with contextlib.suppress(KeyError):
            net.fit(x, np.arange(600) % 3, callbacks=[Fails()], verbose=verbose)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dr.Network([dr.Dense(1)], "mse", dr.SGD(1e30), backend=backend).fit(x, x[:, 0])


def workers_keep_subnormals() -> bool:
    """In every thread that the core starts."""
    import deltarule as dr

    tiny = np.full((64, 1), 1e-310)
    return bool((dr.ops.dense_forward(tiny, np.full((1, 32), 0.5)) == 5e-311).all())


def asleep(limit: float = 60.0) -> bool:
    """Whether all other threads come to rest: none waits with its processor at work."""
    others = [task / "stat" for task in (SELF / "task").iterdir() if int(task.name) != os.getpid()]
    end = time.monotonic() + limit
    while any(task.read_text().rpartition(")")[2].split()[0] == "R" for task in others):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def main() -> None:
    if OPENMP:
        OPENMP.omp_set_num_threads(3)
    stages = {"before": {name: look() for name, look in ASPECTS.items()}}

    import deltarule as dr

    stages["imported"] = {name: look() for name, look in ASPECTS.items()}
    for name, verbose in (("trained", False), ("trained verbosely", True)):
        train(verbose)
        stages[name] = {aspect: look() for aspect, look in ASPECTS.items()}
    stages["found"] = {
        "subnormals": workers_keep_subnormals(),
        "asleep": asleep() if SELF.exists() else True,
        "team": dr._fast.last_team(),
    }
    json.dump(stages, sys.stdout)


if __name__ == "__main__":
    main()
