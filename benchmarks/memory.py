"""Peak memory of fit above its data, for growing data of several types.

Each measurement has a process of its own: python -m benchmarks.memory <kind> <rows>.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import deltarule as dr

from . import report
from .race import ROOT

KINDS = ("float32", "float64", "uint8", "uint8 normalised", "float32 mapped", "float32 Parquet")
ROWS, QUICK_ROWS = (20_000, 60_000, 100_000), (2_000, 4_000)
WINDOW = 5_000  # rows of Parquet in memory at a time
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
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.over.wait(0.001):
            self.most = max(self.most, status("RssAnon"))

    def stop(self) -> int:
        self.over.set()
        self.thread.join()
        return self.most


def row(i: int) -> np.ndarray:
    """Pixels."""
    return (np.arange(FEATURES) * (i + 1)) % 251


@contextmanager
def data(kind: str, rows: int) -> Iterator[tuple[Any, np.ndarray | None]]:
    """X, rows of pixels, and y. Files are written first and not read."""
    dtype = kind.split()[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        if kind.endswith("Parquet"):
            # elsewhere: what is freed here might not go back to the system, and hide what fit takes
            writer = get_context("spawn").Process(target=write_parquet, args=(path, rows, dtype))
            writer.start()
            writer.join()
            yield dr.data.Parquet(path, target="y", window=WINDOW), None
            return
        mapped = kind.endswith("mapped")
        shape = (rows, FEATURES)
        # row by row: a temporary array as large as the data would hide what fit takes
        x = np.memmap(path, dtype, "w+", shape=shape) if mapped else np.empty(shape, dtype)
        for i in range(rows):
            x[i] = row(i)
        if mapped:
            x.flush()
            x = np.memmap(path, dtype, "r", shape=shape)
        yield x, np.arange(rows) % 10


def write_parquet(path: Path, rows: int, dtype: str) -> None:
    """In groups of as many rows as are shuffled together."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def table(first: int, last: int) -> pa.Table:
        columns = np.array([row(i) for i in range(first, last)], dtype).T.copy()
        named = {f"x{i}": column for i, column in enumerate(columns)}
        return pa.table(named | {"y": np.arange(first, last) % 10})

    with pq.ParquetWriter(path, table(0, 1).schema) as writer:
        for first in range(0, rows, WINDOW):
            writer.write_table(table(first, min(rows, first + WINDOW)))


def measure(kind: str, rows: int) -> dict[str, Any]:
    """In this process: what one epoch of 784-128-10 takes above what is there before."""
    layers = [dr.Dense(128, activation="relu"), dr.Dense(10, activation="softmax")]
    if kind.endswith("normalised"):
        layers = [dr.Normalization(), *layers]
    warm, net = (dr.Network(layers, "cross_entropy") for _ in range(2))
    with data(kind, rows) as (x, y):
        few = np.array([row(i) for i in range(128)])
        warm.fit(few, np.arange(128) % 10, batch_size=64, verbose=False)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts again
        before, anonymous = status("VmRSS"), status("RssAnon")
        watch = Watch()
        net.fit(x, y, batch_size=64, verbose=False)
        above = watch.stop() - anonymous
        if not kind.endswith("mapped"):  # exact: nothing is missed between two looks
            above = status("VmHWM") - before
        size = rows * FEATURES * np.dtype(kind.split()[0]).itemsize
        return {"kind": kind, "rows": rows, "data": size, "above": above}


def main(quick: bool) -> list[dict[str, Any]]:
    if not Path("/proc/self/clear_refs").exists():
        print("skipped: memory: needs Linux's /proc")
        return []
    found = []
    for kind in KINDS:
        if kind.endswith("Parquet") and importlib.util.find_spec("pyarrow") is None:
            print("skipped: memory: Parquet needs pyarrow")
            continue
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
