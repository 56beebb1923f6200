"""Sparse X: the bits of the same matrix with its zeros, for every way in which entries can lie, and
without memory for zeros."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule._check_sparse import Sparse
from deltarule.layers import Layer

from ..sanitizers import needs_plain_memory
from .common import GROUPS, RULES, THREADS, copy, digest, epochs, graph, ready, scene, state

scipy_sparse = pytest.importorskip("scipy.sparse")

N, N_IN = 45, 70
LABELS = np.random.default_rng(1).integers(0, 3, N)
WEIGHTS = np.random.default_rng(2).uniform(0.5, 2, N)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def entries(element: str) -> Any:
    """CSR of small numbers with 6 entries a row, of which some are zero, or none; and a column that
    has none, one that many have, and a row that has all."""
    rng = np.random.default_rng(0)
    rows = [np.sort(rng.choice(N_IN - 1, 6 * (i % 4 > 0), replace=False)) for i in range(N)]
    rows[7] = np.arange(N_IN)
    for i in range(9, N, 2):
        rows[i] = np.union1d(rows[i], [33])
    indptr = np.cumsum([0, *map(len, rows)])
    data = rng.integers(0, 4, indptr[-1]) * (0.37 if element[0] == "f" else 1)
    return scipy_sparse.csr_array((data.astype(element), np.concatenate(rows), indptr), (N, N_IN))


def wide(x: Any) -> Any:
    x = x.copy()
    x.indices, x.indptr = x.indices.astype("int64"), x.indptr.astype("int64")
    return x


def disordered(x: Any) -> Any:
    """Each row backwards, with an entry cut into three that are far apart."""
    parts: list[Any] = [[], [], [0]]
    for i in range(x.shape[0]):
        own = slice(x.indptr[i], x.indptr[i + 1])
        data, indices = x.data[own][::-1], x.indices[own][::-1]
        if len(data) > 2 and data.dtype.kind == "f":  # a + b - b is not a, and the order matters
            first, column = data[:1], indices[:1]
            data = np.concatenate([first, data[1:], first * 3, -first * 3])
            indices = np.concatenate([indices, column, column])
        parts[0].append(data)
        parts[1].append(indices)
        parts[2].append(parts[2][-1] + len(data))
    data, indices = map(np.concatenate, parts[:2])
    return scipy_sparse.csr_matrix((data.astype(x.dtype), indices, parts[2]), x.shape)


WAYS: dict[str, Callable[[Any], Any]] = {
    "csr_array": lambda x: x,
    "csr_matrix": scipy_sparse.csr_matrix,
    "csc": lambda x: x.tocsc(),
    "coo": lambda x: x.tocoo(),
    "lil": lambda x: x.tolil(),
    "64-bit indices": wide,
    "rows of another": lambda x: scipy_sparse.vstack([x[:3], x])[3:],
}

NETWORKS: dict[str, Callable[[], list[Layer]]] = {
    "dense": lambda: [dr.Dense(33, "tanh")],
    "its input is kept": lambda: [dr.Dense(17, "gelu", l1=1e-3, constraint=dr.MaxNorm(2))],
    "rowwise": lambda: [dr.Dense(40, "softmax"), dr.BatchNorm()],
    "dropout": lambda: [dr.Dropout(0.3), dr.Dense(8, "relu")],
    "measured": lambda: [dr.Normalization(), dr.Dense(8, "relu")],
    "many readers": lambda: [
        dr.Concat([[dr.Dense(33)], [dr.Dropout(0.2)], [], [dr.Dense(3), dr.Dense(5, "tanh")]])
    ],
    "frozen": lambda: [dr.Dense(9, "relu", trainable=False)],
}


def network(name: str, backend: str, dtype: str) -> dr.Network:
    layers = [*NETWORKS[name](), dr.Dense(3, "softmax")]
    return dr.Network(layers, "cross_entropy", metrics=["accuracy"], dtype=dtype, backend=backend)


def everything(net: dr.Network, x: Any, *, threads: int = 0) -> str:
    """Fits, and hashes all that comes of x."""
    parts: list[Any] = [net.fit(x, LABELS, epochs=2, batch_size=16, sample_weight=WEIGHTS,
                                validation_data=(x, LABELS), verbose=False)["val_loss"],
                        net.train_on_batch(x, LABELS), net.predict(x).tobytes(),
                        net.evaluate(x, LABELS, WEIGHTS)]  # fmt: skip
    loss, gradients = net.gradients(x, LABELS)
    assert not threads or _fast.last_team() == threads
    arrays = [*gradients.values(), *net.parameters().values()]
    return digest(*parts, loss, *(a.tobytes() for a in arrays))


@both_dtypes
@pytest.mark.parametrize("name", NETWORKS)
def test_zeros_may_be_left_out(name: str, backend: str, dtype: str) -> None:
    x = entries("float64")
    expected = everything(network(name, backend, dtype), x.toarray())
    assert everything(network(name, backend, dtype), x) == expected


@both_dtypes
@pytest.mark.parametrize("element", ["float32", "float64", "uint8", "bool", "int16"])
def test_the_way_does_not_matter(element: str, backend: str, dtype: str) -> None:
    x = entries(element)
    expected = everything(network("dense", backend, dtype), x.toarray())
    for way, made in WAYS.items():
        assert everything(network("dense", backend, dtype), made(x)) == expected, way
    other = disordered(x)
    expected = everything(network("dense", backend, dtype), other.toarray())
    assert everything(network("dense", backend, dtype), other) == expected
    assert not other.has_sorted_indices, "the user's matrix is as it was"


@both_dtypes
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: "-".join(group))
def test_one_hash(dtype: str, group: list[str]) -> None:
    x, hashes = entries("float32"), set()
    for isa in group:
        dr.set_isa(isa)
        for number in THREADS:
            dr.set_num_threads(number, exact=True)
            for rows in (x, x.toarray()):
                net = network("many readers", "fast", dtype)
                hashes.add(everything(net, rows, threads=number))
    assert len(hashes) == 1


@both_dtypes
@pytest.mark.parametrize("rule", ["adam", "momentum", "lamb"])
def test_unfused_updates(rule: str, dtype: str) -> None:
    """Columns without entries are updated as well."""
    g = graph((N_IN, 33, 3), ("tanh", "softmax"), dtype=dtype, loss="cross_entropy",
              optimizer=RULES[rule])  # fmt: skip
    x, plans = entries("float32"), []
    sparse = Sparse(x.data, x.indices, x.indptr.astype("int64"), N_IN)
    order = np.random.default_rng(0).permutation(N)
    for rows, fused in ((x.toarray(), True), (sparse, True), (sparse, False)):
        plan = ready(g)
        plan.set_fused(fused)
        sums = epochs(plan, (rows, LABELS, None), batch_size=16, shuffle=True)
        sums += epochs(plan, (rows, LABELS, None), batch_size=16, shuffle=False, order=order)
        plans.append((plan, sums))
    (_, expected), *others = plans
    for plan, sums in others:
        assert sums == expected and state(plan) == state(plans[0][0])


def both(g: Any, x: np.ndarray, change: Callable[[Any], None]) -> Iterator[tuple[Any, Any]]:
    """A plan with x, and with its entries, among which there are some of -0."""
    stored = (x != 0) | (np.indices(x.shape).sum(axis=0) % 4 == 0)
    row, column = map(np.ascontiguousarray, np.nonzero(stored))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(x)))])
    entries = np.where(x == 0, -x, x)[row, column]
    for rows in (x, Sparse(entries, column, indptr, x.shape[1])):
        plan = ready(g)
        change(plan)
        yield plan, rows


@both_dtypes
def test_zeros_have_the_same_sign(dtype: str) -> None:
    """-0 comes of a bias, and of products that are too small; 0 w, which is +0 or -0, may change it
    or not."""
    tiny = 1e-30 if dtype == "float32" else 1e-200
    rng = np.random.default_rng(0)
    x = np.where(rng.uniform(size=(40, 12)) < 0.2, tiny, 0).astype(dtype)
    w = (rng.choice([-1, 1], (12, 20)) * tiny).astype(dtype)
    w[:, :4] = -tiny  # -0 to the end
    g = graph((12, 20), ("identity",), dtype=dtype)

    def change(plan: Any) -> None:
        plan.set(0, "0.weight", w)
        plan.set(0, "0.bias", np.where(np.arange(20) % 3, 0.0, -0.0).astype(dtype))

    dense, sparse = (plan.predict(rows) for plan, rows in both(g, x, change))
    assert not dense.any() and 0 < np.signbit(dense).sum() < dense.size
    assert sparse.tobytes() == dense.tobytes()

    t = -w[rng.integers(0, 12, 40)] * 1e10  # the errors are of that size, and both signs
    t[:, :4] = tiny * 1e10
    for weights in (None, (np.arange(40) % 5 > 0).astype(dtype)):
        found = [plan.gradients(rows, t, weights) for plan, rows in both(g, x, change)]
        (loss, dense), (other, sparse) = ((loss, g["0.weight"]) for loss, g in found)
        assert not dense.any() and loss == other
        if dr.config()["same_bits"]:  # a product that is too small is +-0, a sum of such is +0
            assert 0 < np.signbit(dense).sum() < dense.size
        assert sparse.tobytes() == dense.tobytes()


@both_dtypes
def test_columns_that_another_thread_has_written(dtype: str) -> None:
    """Checked where they are used: what leads outside is left out."""
    x = entries("float32")
    g = graph((N_IN, 33, 3), ("tanh", "softmax"), dtype=dtype, loss="cross_entropy")
    for index in ("int32", "int64"):
        indices, data = x.indices.astype(index), x.data.copy()
        outside = np.arange(len(indices)) % 7 == 0
        worst = np.iinfo(index)
        indices[outside] = np.resize([-1, N_IN, worst.max, worst.min], outside.sum())
        bad = Sparse(data, indices, x.indptr.astype("int64"), N_IN)
        good = x.copy()
        good.data[outside] = 0
        first = ready(g)
        second = copy(first)
        for plan, rows in ((first, bad), (second, good.toarray())):
            epochs(plan, (rows, LABELS, None), batch_size=16, shuffle=True)
        assert state(first) == state(second)
        assert first.predict(bad).tobytes() == second.predict(good.toarray()).tobytes()


def test_a_plan_refuses_rows_that_it_cannot_read() -> None:
    plan = ready(graph((4, 2), ("identity",), dtype="float32"))
    good = Sparse(np.ones(3, "f4"), np.array([0, 1, 3], "i4"), np.array([0, 2, 3]), 4)
    assert plan.predict(good).shape == (2, 2)
    for bad in (
        {"columns": 5}, {"indptr": np.array([0, 4, 3])}, {"indptr": np.array([-1, 2, 3])},
        {"indptr": np.array([0, 2, 4])}, {"indptr": np.array([0, 2, 3], "i4")},
        {"indptr": np.array([0, 2, 1 << 62])}, {"indices": np.array([0, 1, 3], "u1")},
        {"indices": np.array([0, 1], "i4")}, {"data": np.ones(2, "f4")}, {"data": np.ones(3, "i8")},
        {"data": np.ones(6, "f4")[::2]},
    ):  # fmt: skip
        with pytest.raises((ValueError, BufferError), match=r"expected|contiguous"):
            plan.predict(replace(good, **bad))


def test_rows_are_held_out(backend: str) -> None:
    x = entries("float32")
    histories = [
        network("dense", backend, "float32").fit(rows, LABELS, validation_split=0.3, verbose=False)
        for rows in (x, x.toarray())
    ]
    assert histories[0]["val_loss"] == histories[1]["val_loss"]


def test_levenberg_marquardt(backend: str) -> None:
    x, results = entries("float64"), set()
    for rows in (x, x.toarray()):
        net = dr.Network([dr.Dense(2, "tanh"), dr.Dense(1)], "mse", dr.LevenbergMarquardt(),
                         dtype="float64", backend=backend)  # fmt: skip
        net.fit(rows, LABELS.astype(float), epochs=3, verbose=False)
        results.add(digest(*(p.tobytes() for p in net.parameters().values())))
    assert len(results) == 1


def test_verify_takes_sparse_rows() -> None:
    x = entries("float32")
    net = network("dense", "fast", "float32")
    net.build(N_IN)
    assert str(dr.verify(net, x, LABELS)) == str(dr.verify(net, x.toarray(), LABELS))


def test_flops_are_those_of_entries() -> None:
    x = entries("float32")
    net = network("dense", "fast", "float32")
    found = net.fit(x, LABELS, verbose=False).performance.flops
    assert found == pytest.approx(4 * 33 * x.nnz + 6 * 33 * 3 * N)


@needs_plain_memory
@pytest.mark.parametrize("threads", THREADS[:2])
def test_zeros_take_no_memory(threads: int) -> None:
    assert scene("train_on_sparse_rows", threads=threads, env={"MALLOC_MMAP_THRESHOLD_": "65536"})
