"""Scenes about where rows are read and what memory that takes; scenes.py runs them."""

from __future__ import annotations

import ctypes
import mmap
import resource
from pathlib import Path

import numpy as np

import deltarule as dr
from deltarule import _fast

from .common import graph, ready


def of_all_types(shape: tuple[int, int, int]) -> list[np.ndarray]:
    """Arrays of random rows, of several types, whose rows lie backwards."""
    values = np.random.default_rng(0).uniform(0, 256, shape)
    return [x.astype(("f4", "f8", "u1", "i8")[i % 4])[::-1] for i, x in enumerate(values)]


def read_at_the_end_of_a_page(element: str) -> bool:
    """Rows that end where memory does: reading on would be the end of this process."""
    size = mmap.PAGESIZE
    memory = mmap.mmap(-1, 3 * size)
    raw = np.frombuffer(memory, np.uint8)
    mprotect = ctypes.CDLL(None, use_errno=True).mprotect
    mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for page in (0, 2):
        assert mprotect(raw.ctypes.data + page * size, size, 0) == 0, ctypes.get_errno()
    itemsize = np.dtype(element).itemsize
    for isa in filter(_fast.isa_supported, range(len(_fast.isa_names()))):
        dr.set_isa(_fast.isa_names()[isa])
        for dtype in ("float32", "float64"):
            for n in range(1, 70):
                plan = ready(graph((n, 3), ("identity",), dtype=dtype))
                for end in (2 * size, size + 5 * n * itemsize):  # backwards from the first page's
                    x = raw[end - 5 * n * itemsize : end].view(element).reshape(5, n)
                    y = plan.predict(x[::-1] if end < 2 * size else x)
                    assert not y.any() or np.isfinite(y).all()
    return True


def train_in_little_memory(folder: str, threads: int) -> bool:
    """Trains, evaluates and predicts in a process that may get 8 MB more: less than a mask of X,
    and much less than X in another type."""
    dr.set_num_threads(threads, exact=True)
    n, columns, spare = 20_000, 500, 8 << 20
    labels, weights = np.arange(n) % 3, np.ones(n, "float32")
    dtype = ("float32", "float64")[threads % 2]
    for element in ("float32", "float64", "uint8"):
        whole = np.ones((n + 1, columns + 7), element)
        np.save(Path(folder, "x.npy"), whole)
        mapped = np.load(Path(folder, "x.npy"), mmap_mode="r")
        layer = dr.Dense(3, "softmax")
        net = dr.Network([layer], "cross_entropy", metrics=["accuracy"], dtype=dtype)
        net.fit(whole[:64, 7:], labels[:64], batch_size=32)  # threads, caches, imports
        for x in (whole[1:, 7:], whole[:0:-1, 7:], mapped[1:, 7:]):
            limit = _data_bytes() + spare
            resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
            try:
                np.ones(n * columns, "uint8")  # a mask
                raise AssertionError("there is no limit")
            except MemoryError:
                pass
            net.fit(x, labels, sample_weight=weights, validation_data=(x, labels), batch_size=256)
            net.evaluate(x, labels)
            assert net.predict(x).shape == (n, 3)
            resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
    return True


def _data_bytes() -> int:
    """What RLIMIT_DATA counts: private memory that can be written."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmData:")[1].split()[0]) * 1024


def train_on_sparse_rows(threads: int) -> bool:
    """Many rows at once, which with their zeros would take up to 800 MB."""
    from scipy.sparse import csr_array

    dr.set_num_threads(threads, exact=True)
    n, columns, spare = 20_000, 10_000, 40 << 20
    rng = np.random.default_rng(0)
    indices = np.arange(5) * 2000 + rng.integers(0, 2000, (n, 5))
    indptr = np.arange(0, 5 * n + 1, 5)
    x = csr_array((np.ones(5 * n, "f4"), indices.ravel(), indptr), (n, columns))
    labels = np.arange(n) % 3
    net = dr.Network([dr.Dense(8, "relu"), dr.Dense(3, "softmax")], "cross_entropy")
    net.fit(x[:64], labels[:64], batch_size=32)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + spare, resource.RLIM_INFINITY))
    net.fit(x, labels, validation_data=(x, labels), batch_size=5000)
    net.gradients(x, labels)
    net.evaluate(x, labels)
    return net.predict(x).shape == (n, 3)
