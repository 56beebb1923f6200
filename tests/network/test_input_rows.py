"""X in every type and layout that is accepted: the values decide over the bits, not the way they
are given, and rows are read where they lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule._inputs import streams
from deltarule.verify import verify

from .common import GROUPS, THREADS, digest, graph, ready, scene, ways

N, N_IN = 45, 37
LABELS = np.random.default_rng(1).integers(0, 3, N)
WEIGHTS = np.random.default_rng(2).uniform(0.5, 2, N)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def mapped(values: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "x.npy", values)
    loaded: np.ndarray = np.load(folder / "x.npy", mmap_mode="r")
    return loaded


def unaligned(values: np.ndarray) -> np.ndarray:
    array = np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
    array[...] = values
    return array


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.copy,
    "Fortran": np.asfortranarray,
    "every third column": lambda a: np.repeat(a, 3, 1)[:, ::3],
    "inside another": lambda a: np.pad(a, 3, constant_values=77)[3:-3, 3:-3],
    "every second row": lambda a: np.repeat(a, 2, 0)[::2],
    "rows reversed": lambda a: a[::-1].copy()[::-1],
    "both reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "unaligned": unaligned,
}


def whole_numbers() -> list[np.ndarray]:
    """0 to 255: every type has them."""
    values = np.random.default_rng(0).integers(0, 256, (N, N_IN))
    types = ("uint8", "float32", "float64", "int16", "uint64", "longdouble")
    return [values.astype(name) for name in types]


def real_numbers(dtype: str) -> list[np.ndarray]:
    """float64 with halves of a float32 step, to even and to odd, numbers that become subnormal or
    zero, and minus zero: what numpy makes of them in dtype, and themselves."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, N_IN)).astype("float32")
    ties = (values.astype("float64") + np.nextafter(values, np.float32(9)).astype("float64")) / 2
    x = np.where(rng.uniform(size=ties.shape) < 0.5, ties, rng.normal(size=ties.shape))
    x[:, ::5] = rng.normal(size=x[:, ::5].shape) * 1e-40
    x[:, 3] = rng.normal(size=N) * 1e-45
    x[:, 4] = -0.0
    if dtype == "float64":
        return [x.astype("float32"), x.astype("float32").astype("float64")]
    return [x, x.astype("float32"), x.astype("float32").astype("float64")]


def one_bit() -> list[np.ndarray]:
    values = np.random.default_rng(0).integers(0, 2, (N, N_IN))
    return [values.astype(name) for name in ("bool", "uint8", "float32", "float64", "int8")]


def network(backend: str, dtype: str) -> dr.Network:
    layers = [dr.Dense(33, "tanh"), dr.Dense(3, "softmax")]
    return dr.Network(layers, "cross_entropy", metrics=["accuracy"], dtype=dtype, backend=backend)


def everything(net: dr.Network, x: Any, *, threads: int = 0) -> str:
    """Fits, and hashes all that comes of x."""
    parts: list[Any] = []
    for data in (x, x[:20]):
        labels, weights = LABELS[: len(data)], WEIGHTS[: len(data)]
        parts.append(net.fit(data, labels, epochs=2, batch_size=16, sample_weight=weights,
                             validation_data=(x, LABELS), verbose=False)["val_loss"])  # fmt: skip
        parts.append(net.train_on_batch(data, labels))
        parts += [net.predict(data).tobytes(), net.evaluate(data, labels, weights)]
        loss, gradients = net.gradients(data, labels)
        parts += [loss, *(g.tobytes() for g in gradients.values())]
    assert not threads or _fast.last_team() == threads
    return digest(*parts, *(p.tobytes() for p in net.parameters().values()))


SOURCES = {
    "whole": lambda dtype: whole_numbers(),
    "real": real_numbers,
    "bits": lambda dtype: one_bit(),
}
sources = pytest.mark.parametrize("source", SOURCES)


@both_dtypes
@sources
def test_the_way_does_not_matter(source: str, backend: str, dtype: str, tmp_path: Path) -> None:
    hashes = set()
    for values in SOURCES[source](dtype):
        for layout in LAYOUTS.values():
            hashes.add(everything(network(backend, dtype), layout(values)))
        hashes.add(everything(network(backend, dtype), mapped(values, tmp_path)))
    if source == "whole":
        hashes.add(everything(network(backend, dtype), values.tolist()))
    assert len(hashes) == 1


@both_dtypes
@sources
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: "-".join(group))
def test_one_hash_of_every_type(source: str, dtype: str, group: list[str]) -> None:
    hashes = set()
    for _, number, _ in ways(group, THREADS[:3:2]):
        for values in SOURCES[source](dtype):
            x = LAYOUTS["inside another"](values)
            hashes.add(everything(network("fast", dtype), x, threads=number))
    assert len(hashes) == 1


@both_dtypes
@sources
def test_verify_sees_the_same(source: str, backend: str, dtype: str) -> None:
    layers = [dr.Dense(3, "softmax")]
    net = dr.Network(layers, "cross_entropy", metrics=["accuracy"], dtype=dtype, backend=backend)
    net.build(N_IN)
    reports = {
        str(verify(net, layout(values), LABELS, WEIGHTS, rows=5))
        for values, layout in zip(SOURCES[source](dtype), LAYOUTS.values(), strict=False)
    }
    assert len(reports) == 1 and "nan" not in reports.pop()


# ------------------------------------------------------------------------------------- the gather
SIZES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 47, 48, 49, 63, 64, 65, 96, 100, 129]


@both_dtypes
@pytest.mark.parametrize("element", ["float32", "float64", "uint8"])
def test_rows_arrive_as_numpy_converts_them(element: str, dtype: str) -> None:
    """Through a network that is the identity, from between numbers that are not to be read."""
    rng = np.random.default_rng(0)
    for isa in (isa for group in GROUPS for isa in group):
        dr.set_isa(isa)
        for n in SIZES:
            plan = ready(graph((n, n), ("identity",), dtype=dtype))
            plan.set(0, "0.weight", np.eye(n, dtype=dtype))
            plan.set(0, "0.bias", np.zeros(n, dtype))
            outer = np.full((21, n + 5), np.nan if element != "uint8" else 255).astype(element)
            x = outer[10::-2, 3 : n + 3]
            bits = rng.integers(0, 2**32, x.shape, dtype="uint32")
            if element == "uint8":
                x[...] = bits.astype("uint8")
            elif element == "float32":
                x[...] = np.where(bits % 256 < 250, bits, 0).view("float32").clip(-1e38, 1e38)
                x[np.isnan(x)] = 0
            else:
                x[...] = rng.normal(size=x.shape) * 2.0 ** rng.integers(-160, 120, x.shape)
            assert streams(x)
            expected = x.astype(dtype) + 0.0  # the sum starts from 0, so -0 does not arrive
            assert plan.predict(x).tobytes() == expected.tobytes(), (isa, n)


def test_a_plan_refuses_rows_that_it_cannot_read() -> None:
    for dtype in ("float32", "float64"):
        plan = ready(graph((4, 2), ("identity",), dtype=dtype))
        good = np.zeros((6, 8), "float32")
        for bad in (
            good[:, ::2], good[:, :3], good[0, :4], good.reshape(2, 3, 8)[..., :4],
            good[:, :4].astype("float16"), good[:, :4].astype(">f4"), good[:, :4].astype("int64"),
            good[:, :4].astype("int8"), np.asfortranarray(good[:, :4]), good[:, 3::-1],
            unaligned(good[:, :4]), np.zeros((6, 4), "f8").view("V8"), b"0123", bytearray(16),
            memoryview(bytearray(33))[1:].cast("f", (2, 4)),
        ):  # fmt: skip
            with pytest.raises((ValueError, BufferError), match="expected rows of 4 contiguous"):
                plan.predict(bad)


@pytest.mark.parametrize("element", ["float32", "float64", "uint8"])
def test_nothing_is_read_beyond_the_last_row(element: str) -> None:
    """Where the page behind it cannot be read."""
    assert scene("read_at_the_end_of_a_page", element=element)


# --------------------------------------------------------------------------------------- memory
@pytest.mark.parametrize("threads", THREADS[:2])
def test_fit_takes_little_memory(threads: int, tmp_path: Path) -> None:
    """No copy of X, of any type and layout that is read where it lies, nor one of its mask."""
    fixed = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # what is freed goes back, and counts again
    assert scene("train_in_little_memory", folder=str(tmp_path), threads=threads, env=fixed)
