"""Peak memory of fit above its data, for growing data of several types.

Each measurement has a process of its own: python -m benchmarks.memory <kind> <rows>.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import deltarule as dr

from . import report
from .race import ROOT

KINDS = ("float32", "float64", "uint8", "float32 mapped")
ROWS, QUICK_ROWS = (20_000, 40_000, 80_000), (2_000, 4_000)
FEATURES = 784
STATUS = Path("/proc/self/status")
MIB = 1 << 20


def status(word: str) -> int:
    """Bytes of a line of /proc/self/status."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text(encoding="ascii").splitlines())
    return int(lines[word].split()[0]) * 1024


class Watch:
    """The largest anonymous memory, looked at every millisecond: of mapped files, pages that were
    read count as resident, though the system may take them back."""

    def __init__(self) -> None:
        self.most = status("RssAnon")
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        while not self.over.wait(0.001):
            self.most = max(self.most, status("RssAnon"))

    def stop(self) -> int:
        self.over.set()
        self.thread.join()
        return self.most


@contextmanager
def data(kind: str, rows: int) -> Iterator[np.ndarray]:
    """Rows of pixels; a mapped file is written first and not read."""
    dtype = kind.split()[0]
    if not kind.endswith("mapped"):
        # row by row: a temporary array as large as the data would hide what fit takes
        x = np.empty((rows, FEATURES), dtype)
        for i, row in enumerate(x):
            row[:] = (np.arange(FEATURES) * (i + 1)) % 251
        yield x
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        written = np.memmap(path, dtype, "w+", shape=(rows, FEATURES))
        for i in range(rows):
            written[i] = (np.arange(FEATURES) * (i + 1)) % 251
        written.flush()
        del written
        yield np.memmap(path, dtype, "r", shape=(rows, FEATURES))


def measure(kind: str, rows: int) -> dict[str, Any]:
    """In this process: what one epoch of 784-128-10 takes above what is there before."""
    net = dr.Network(
        [dr.Dense(128, activation="relu"), dr.Dense(10, activation="softmax")], "cross_entropy"
    )
    with data(kind, rows) as x:
        t = np.arange(rows) % 10
        net.fit(x[:128], t[:128], batch_size=64, verbose=False)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts again
        before, anonymous = status("VmRSS"), status("RssAnon")
        watch = Watch()
        net.fit(x, t, batch_size=64, verbose=False)
        above = watch.stop() - anonymous
        if not kind.endswith("mapped"):  # exact: nothing is missed between two looks
            above = status("VmHWM") - before
        return {"kind": kind, "rows": rows, "data": x.nbytes, "above": above}


def main(quick: bool) -> list[dict[str, Any]]:
    if not Path("/proc/self/clear_refs").exists():
        print("skipped: memory: needs Linux's /proc")
        return []
    found = []
    for kind in KINDS:
        for rows in QUICK_ROWS if quick else ROWS:
            command = [sys.executable, "-m", __name__, kind, str(rows)]
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout))
    print("\npeak memory of fit above the data, 784-128-10, MiB")
    report.table(
        ("X", "rows", "X, MiB", "above", "above / X"),
        [(f["kind"], f"{f['rows']:,}", f"{f['data'] / MIB:.1f}", f"{f['above'] / MIB:.1f}",
          f"{f['above'] / f['data']:.2f}") for f in found],
    )
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
