"""Sparse matrices as arguments: what is refused, and how; and rows of them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _inputs
from deltarule._check_sparse import Sparse, read

scipy_sparse = pytest.importorskip("scipy.sparse")


def csr(**changes: Any) -> Any:
    """3 rows, 4 columns, 4 entries; scipy checks no attributes that are set later."""
    parts = {"data": [1.0, 2, 3, 4], "indices": [0, 3, 1, 2], "indptr": [0, 2, 2, 4]} | changes
    x = scipy_sparse.csr_matrix(([1.0, 2, 3, 4], [0, 3, 1, 2], [0, 2, 2, 4]), (3, 4))
    for part, value in parts.items():
        plain = part == "data" and isinstance(value, list)
        setattr(x, part, np.asarray(value, "f4" if plain else None))
    return x


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "column too large": (lambda: csr(indices=[0, 3, 4, 2]), ValueError,
        "X has an entry in column 4 of row 2; with 4 columns, indices must be 0 to 3"),
    "column below 0": (lambda: csr(indices=[0, -1, 1, 2]), ValueError, "in column -1 of row 0"),
    "indptr falls": (lambda: csr(indptr=[0, 3, 2, 4]), ValueError,
        "X.indptr must begin with 0 and not fall, got 2 at 2"),
    "indptr begins late": (lambda: csr(indptr=[1, 2, 2, 4]), ValueError, "not fall, got 1 at 0"),
    "indptr is short": (lambda: csr(indptr=[0, 2, 4]), ValueError,
        "X.indptr must have 4 entries for 3 rows, got 3"),
    "too few entries": (lambda: csr(indptr=[0, 2, 2, 5]), ValueError,
        "X.indptr ends with 5, but there are 4 data and 4 indices"),
    "too few data": (lambda: csr(data=[1.0]), ValueError, "there are 1 data and 4 indices"),
    "real indices": (lambda: csr(indices=np.zeros(4)), TypeError,
        "X.indices must be integers, got dtype float64"),
    "data of rank 2": (lambda: csr(data=np.ones((4, 1), "f4")), ValueError,
        "X.data must have 1 dimension, got shape"),
    "complex": (lambda: csr(data=np.ones(4, complex)), TypeError,
        "X must be numbers, got dtype complex128"),
    "objects": (lambda: csr(data=np.ones(4, object)), TypeError,
        "X must be numbers, got dtype object"),
    "nan": (lambda: csr(data=[1.0, 2, np.nan, 4]), ValueError, "X has nan at row 2, column 1$"),
    "infinity": (lambda: csr(data=[1.0, -np.inf, 3, 4]), ValueError,
        "X has -inf at row 0, column 3$"),
    "too large": (lambda: csr(data=np.array([1, 2, 3, 1e300])), ValueError,
        r"X has 1e\+300 at row 2, column 2, which becomes inf in float32"),
    "columns": (lambda: csr()[:, :3], ValueError,
        "X has the wrong number of features: expected 4, got 3"),
    "no rows": (lambda: csr()[:0], ValueError, r"X is empty: it has shape \(0, 4\)"),
    "one dimension": (lambda: SimpleNamespace(tocsr=None, nnz=0, shape=(4,)), ValueError,
        r"X must have shape \(n, features\), got shape \(4,\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_matrices(name: str, backend: str) -> None:
    made, error, text = BAD[name]
    net = dr.Network([dr.Dense(2, "softmax")], "cross_entropy", backend=backend)
    net.build(4)
    before = net.parameters()
    y = [0, 1, 0]
    for call in (net.fit, net.evaluate, net.gradients, net.train_on_batch):
        with pytest.raises(error, match=text):
            call(made(), y)  # type: ignore[operator]
    with pytest.raises(error, match=text.replace("X", "validation X")):
        net.fit(csr(), y, validation_data=(made(), y))
    if name not in ("nan", "infinity", "too large", "no rows"):  # which predict passes through
        with pytest.raises(error, match=text):
            net.predict(made())
    for part, values in net.parameters().items():
        np.testing.assert_array_equal(values, before[part])


def test_only_x_may_be_sparse() -> None:
    net = dr.Network([dr.Dense(4)], "mse")
    for arguments in ({"y": csr()}, {"y": np.ones((3, 4)), "sample_weight": csr()}):
        with pytest.raises(TypeError, match=r"is a sparse matrix; convert it with .*\.toarray\(\)"):
            net.fit(csr(), **arguments)


def test_predict_passes_through_what_is_not_finite(backend: str) -> None:
    net = dr.Network([dr.Dense(2)], "mse", backend=backend)
    net.build(4)
    x = csr(data=[np.nan, 2, np.inf, 4])
    np.testing.assert_array_equal(net.predict(x), net.predict(x.toarray()))
    assert net.predict(csr()[:0]).shape == (0, 2)


def test_what_is_not_copied() -> None:
    x = csr()
    rows = _inputs.prepare_x(x, (4,), "float64")
    assert isinstance(rows, Sparse)
    assert np.shares_memory(rows.data, x.data) and np.shares_memory(rows.indices, x.indices)
    assert not np.shares_memory(rows.indptr, x.indptr)
    for changes in ({"indices": [3, 0, 1, 2]}, {"indices": [0, 3, 1, 1]}):
        rows = _inputs.prepare_x(csr(**changes), (4,), "float64")
        np.testing.assert_array_equal(np.asarray(rows), csr(**changes).toarray())
    narrow = csr(indices=np.array([0, 3, 1, 2], "u1"), indptr=np.array([0, 2, 2, 4], "u8"))
    np.testing.assert_array_equal(np.asarray(read(narrow, "X")), csr().toarray())


def test_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries are looked at a few at a time; what is between two chunks is seen, too."""
    rng = np.random.default_rng(0)
    for chunk in (1, 2, 3, 100):
        monkeypatch.setattr("deltarule._check_sparse._CHUNK", chunk)
        for _ in range(50):
            indices, indptr = rng.integers(0, 4, 6), np.sort([0, 0, *rng.integers(0, 7, 3), 6])
            x = SimpleNamespace(
                format="csr", shape=(5, 4), data=np.ones(6), indices=indices, indptr=indptr
            )
            parts = np.split(indices, indptr[1:-1])
            kept = read(x, "X")
            in_order = all((np.diff(part) > 0).all() for part in parts)
            assert np.shares_memory(kept.data, x.data) == in_order
            counts = [np.bincount(part, minlength=4) for part in parts]
            np.testing.assert_array_equal(np.asarray(kept), counts)


def test_rows_of_rows() -> None:
    dense = np.random.default_rng(0).integers(0, 3, (9, 5)).astype("f4")
    rows = read(scipy_sparse.csr_matrix(dense), "X")
    assert (rows.shape, rows.ndim, len(rows), rows.dtype) == ((9, 5), 2, 9, np.dtype("f4"))
    for chosen in (slice(None), slice(2, 7), slice(-3, 99), slice(7, 2), slice(None, None, -2),
                   np.array([8, 0, 0, 3]), np.zeros(0, int), dense[:, 0] > 0):  # fmt: skip
        np.testing.assert_array_equal(np.asarray(rows[chosen]), dense[chosen])
        again = rows[1:][chosen if not isinstance(chosen, np.ndarray) else slice(1, 4)]
        np.testing.assert_array_equal(
            np.asarray(again, "f8"),
            dense[1:][chosen if not isinstance(chosen, np.ndarray) else slice(1, 4)],
        )
    assert np.shares_memory(rows[2:7].data, rows.data)
    assert rows[3:].place(int(rows.indptr[4])).startswith("row 1, column ")
