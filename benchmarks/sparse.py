"""Training on a sparse matrix against scikit-learn: the time of an epoch, and peak memory.

A process for each system: python -m benchmarks.sparse <system> <rows> <columns> <epochs>.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import deltarule as dr

from . import report
from .memory import MIB, status
from .race import ROOT

ENTRIES, UNITS, CLASSES, BATCH = 50, 64, 10, 200
SIZE, QUICK_SIZE = (100_000, 50_000), (2_000, 5_000)
RATE = 1e-3


def data(rows: int, columns: int) -> tuple[Any, np.ndarray]:
    """CSR with 50 entries in each row, one in each fiftieth of the columns, and classes that one of
    them decides over."""
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(0)
    stripe = columns // ENTRIES
    indices = np.empty((rows, ENTRIES), np.int32)
    for i, row in enumerate(indices):  # no temporary array that would hide what training takes
        row[:] = np.arange(ENTRIES) * stripe + rng.integers(0, stripe, ENTRIES)
        row[0] = i * stripe // rows
    values = rng.random(rows * ENTRIES, dtype=np.float32)
    x = csr_matrix((values, indices.reshape(-1), np.arange(rows + 1) * ENTRIES), (rows, columns))
    return x, indices[:, 0] * CLASSES // stripe


def own(x: Any, t: np.ndarray) -> Callable[[], float]:
    net = dr.Network(
        [dr.Dense(UNITS, activation="relu"), dr.Dense(CLASSES, activation="softmax")],
        "cross_entropy", dr.Adam(RATE),
    )  # fmt: skip
    net.build(x.shape[1])
    return lambda: float(net.fit(x, t, batch_size=BATCH, verbose=False)["loss"][-1])


def scikit(x: Any, t: np.ndarray) -> Callable[[], float]:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((UNITS,), alpha=0, batch_size=BATCH, learning_rate_init=RATE, max_iter=1,
                          warm_start=True, random_state=0)  # fmt: skip
    return lambda: float(model.fit(x, t).loss_)


SYSTEMS = {"deltarule": own, "scikit-learn": scikit}


def measure(system: str, rows: int, columns: int, epochs: int) -> dict[str, Any]:
    """In this process: the epochs, and the most memory above the data."""
    warnings.simplefilter("ignore")  # one epoch does not converge
    x, t = data(rows, columns)
    small, label = data(BATCH, 10 * ENTRIES)
    SYSTEMS[system](small, label)()  # imports, threads
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts again
    before = status("VmRSS")
    run = SYSTEMS[system](x, t)
    seconds, busy, losses = [], [], []
    for _ in range(epochs):
        start, worked = time.perf_counter(), time.process_time()
        losses.append(run())
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - worked)
    matrix = sum(part.nbytes for part in (x.data, x.indices, x.indptr))
    return {
        "system": system, "seconds": seconds, "processor": busy, "losses": losses, "matrix": matrix,
        "layer": 3 * 4 * columns * UNITS, "above": status("VmHWM") - before,
    }  # fmt: skip


def main(quick: bool) -> list[dict[str, Any]]:
    if not Path("/proc/self/clear_refs").exists():
        print("skipped: sparse: needs Linux's /proc")
        return []
    found = []
    rows, columns = QUICK_SIZE if quick else SIZE
    for system in SYSTEMS:
        command = [sys.executable, "-m", __name__, system, str(rows), str(columns), "2"]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if done.returncode:
            print(f"skipped: sparse: {system}: {done.stderr.splitlines()[-1]}")
            continue
        found.append(json.loads(done.stdout))
    print(f"\nsparse X ({rows:,}, {columns:,}), {ENTRIES} entries a row; {UNITS} relu, {CLASSES} "
          f"softmax, Adam, batch {BATCH}, float32; MiB")
    report.table(
        ("", "s an epoch", "processor s", "loss", "X", "layer", "above X", "all / X and layer"),
        [(f["system"], f"{min(f['seconds']):.2f}", f"{min(f['processor']):.2f}",
          f"{f['losses'][-1]:.3f}", f"{f['matrix'] / MIB:.0f}",
          f"{f['layer'] / MIB:.0f}", f"{f['above'] / MIB:.0f}",
          f"{(f['matrix'] + f['above']) / (f['matrix'] + f['layer']):.2f}") for f in found],
    )
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))
