"""Preparing X, y and sample_weight: what is accepted, what comes out, and whether it is a copy."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule import _inputs, _targets, losses

from .layouts import LAYOUTS, read_only

RNG = np.random.default_rng(0)
WHOLE = RNG.integers(0, 200, (6, 4))  # exact in every dtype below


DTYPES = ["float16", "float32", "float64", "longdouble", "uint8", "int16", "int64", "uint64"]


@pytest.mark.parametrize("given", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_x_layouts(layout: str, given: str, dtype: str) -> None:
    made = LAYOUTS[layout]
    if layout == "unaligned" and np.dtype(given).itemsize == 1:
        pytest.skip("single bytes are always aligned")
    x = _inputs.prepare_x(made(WHOLE.astype(given)), (4,), dtype)
    assert type(x) is np.ndarray
    assert _inputs.streams(x)
    assert x.dtype.isnative
    assert x.dtype in (np.asarray(made(WHOLE.astype(given))).dtype, np.dtype(dtype))
    np.testing.assert_array_equal(x, WHOLE)


# Taken as they are, read where they lie: X that the engines convert a batch at a time.
STREAMING = {
    "c": np.copy,
    "columns": lambda a: np.repeat(a, 3, 1)[:, 5:9],
    "one column": lambda a: np.asfortranarray(a)[:, 1:2],
    "every second row": lambda a: np.repeat(a, 2, 0)[::2],
    "rows reversed": lambda a: a[::-1],
    "one row again and again": lambda a: np.broadcast_to(a[:1], (5, 4)),
    "read-only": read_only,
}
COPIED = {
    **{name: LAYOUTS[name] for name in ("fortran", "byte-swapped", "unaligned")},
    "columns reversed": lambda a: a[:, ::-1],
    "every second column": lambda a: np.repeat(a, 2, 1)[:, ::2],
}


@pytest.mark.parametrize("given", ["float32", "float64", "uint8", "bool"])
@pytest.mark.parametrize("layout", STREAMING)
def test_x_that_is_not_copied(layout: str, given: str, dtype: str) -> None:
    values = STREAMING[layout](WHOLE.astype(given))
    x = _inputs.prepare_x(values, None, dtype)
    assert np.shares_memory(x, values)
    assert x.dtype == ("uint8" if given == "bool" else given)
    np.testing.assert_array_equal(x, values)


@pytest.mark.parametrize("given", ["float32", "float64"])
@pytest.mark.parametrize("layout", COPIED)
def test_x_that_is_copied(layout: str, given: str, dtype: str) -> None:
    values = COPIED[layout](WHOLE.astype(given))
    x = _inputs.prepare_x(values, (4,), dtype)
    assert not np.shares_memory(x, values)
    assert x.dtype == dtype and x.flags.carray
    np.testing.assert_array_equal(x, values)


def test_x_memory_map(tmp_path: Path, dtype: str) -> None:
    for given in ("float32", "float64", "uint8"):
        path = tmp_path / f"{given}.npy"
        np.save(path, WHOLE.astype(given))
        mapped = np.load(path, mmap_mode="r")
        x = _inputs.prepare_x(mapped, (4,), dtype)
        assert np.shares_memory(x, mapped)
        np.testing.assert_array_equal(x, WHOLE)


def test_x_bool_and_matrix(dtype: str) -> None:
    np.testing.assert_array_equal(_inputs.prepare_x(WHOLE > 100, (4,), dtype), WHOLE > 100)
    mask = np.array([[0, 255, 2, 1]], "uint8").view(bool)  # as in a file of 0 and 255 read as bool
    np.testing.assert_array_equal(_inputs.prepare_x(mask, (4,), dtype), [[0, 1, 1, 1]])
    masked = np.ma.MaskedArray(WHOLE)  # nothing is masked
    np.testing.assert_array_equal(_inputs.prepare_x(masked, (4,), dtype), WHOLE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("given", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 17), (9, 19)])
def test_nonfinite_place(value: float, given: str, row: int, column: int, dtype: str) -> None:
    x = np.zeros((10, 20), given)
    x[row, column] = value
    for made in (np.copy, np.asfortranarray, LAYOUTS["strided"], STREAMING["every second row"]):
        with pytest.raises(ValueError, match=f"X has {value} at row {row}, column {column}$"):
            _inputs.prepare_x(made(x), (20,), dtype)
    assert not np.isfinite(_inputs.prepare_x(x, (20,), dtype, finite=False)[row, column])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("at", [0, 1, 4095, 4096, 9999, 10_000, 20_004])
def test_nonfinite_is_found_in_every_chunk(
    at: int, threads: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_inputs, "CHUNK", 10_000)
    x = np.zeros(20_005, dtype)
    dr.set_num_threads(threads, exact=True)
    try:
        assert _inputs.first_nonfinite(x, dtype) is None
        both = np.full(9000, np.nan, dtype)  # a thread finds its own at once, another late
        both[1:-1] = 0
        assert _inputs.first_nonfinite(both, dtype) == 0
        x[-1] = np.nan
        x[at] = np.inf
        assert _inputs.first_nonfinite(x, dtype) == at
        for columns in (1, 3, 5000, 20_000):  # the last: a row is more than a chunk
            wide = np.full((-(-x.size // columns), 2 * columns), np.nan, dtype)[:, columns:]
            wide[...] = 0
            wide[at // columns, at % columns] = -np.inf
            for rows in (wide, wide.copy()):
                assert _inputs.first_nonfinite(rows, dtype) == at
    finally:
        dr.set_num_threads(None)


def test_nonfinite_is_what_numpy_says() -> None:
    """Of each number by itself, with both signs; on either side of what rounds to inf."""
    edge = 2.0**128 - 2.0**103
    special = [0, 5e-324, 1e-40, 1, 3.4028235e38, 1e39, np.finfo("float64").max, np.inf, np.nan]
    for x in (*special, edge, np.nextafter(edge, 0), np.nextafter(edge, np.inf)):
        for given, to in (("float32", "float32"), ("float64", "float32"), ("float64", "float64")):
            with np.errstate(over="ignore"):
                rows = np.array([[1, x], [1, -x]], given)
                finite = np.isfinite(rows.astype(to))
            for row in (0, 1):
                expected = None if finite[row].all() else 1
                assert _inputs.first_nonfinite(rows[row : row + 1], to) == expected, (x, given, to)


def test_nonfinite_takes_little_memory() -> None:
    x = np.zeros((2000, 1000))[::2]
    tracemalloc.start()
    try:
        assert _inputs.first_nonfinite(x, "float32") is None
        assert tracemalloc.get_traced_memory()[1] < x.nbytes / 8
    finally:
        tracemalloc.stop()


@pytest.mark.filterwarnings("error")
def test_overflow_in_the_conversion_is_said_to_be_one() -> None:
    x = np.zeros((4, 3))
    x[2, 1] = 1e300
    with pytest.raises(ValueError, match=r"X has 1e\+300 at row 2, column 1, which becomes inf"):
        _inputs.prepare_x(x, (3,), "float32")
    assert _inputs.prepare_x(x, (3,), "float64")[2, 1] == 1e300
    assert _inputs.prepare_x(x, (3,), "float32", finite=False) is x
    assert np.isinf(_inputs.prepare_x(np.asfortranarray(x), (3,), "float32", finite=False)[2, 1])
    with pytest.raises(ValueError, match=r"y has 1e\+300 at row 2, column 1, which becomes inf"):
        _targets.prepare_y(x, losses.get("mse"), 4, 3, "float32")
    with pytest.raises(ValueError, match=r"sample_weight has 1e\+300 at row 2, which becomes inf"):
        _targets.prepare_weight(x[:, 1], 4, "float32")


@pytest.mark.parametrize("given", ["bool", "int8", "int64", "uint8", "uint64"])
@pytest.mark.parametrize("column", [False, True])
def test_labels(given: str, column: bool, dtype: str) -> None:
    labels = np.array([0, 1, 1, 0, 1]).astype(given)
    given_as = labels[:, None] if column else labels
    t = _targets.prepare_y(given_as, losses.get("cross_entropy"), 5, 2, dtype)
    assert t.dtype == np.int64
    assert t.shape == (5,)
    np.testing.assert_array_equal(t, labels)


@pytest.mark.parametrize(
    ("bad", "given"), [(3, "int64"), (-1, "int8"), (2**63, "uint64"), (-(2**63), "int64")]
)
def test_labels_out_of_range(bad: int, given: str, dtype: str) -> None:
    labels = np.array([0, 1, 2, 0, 1]).astype(given)
    labels[3] = bad
    with pytest.raises(ValueError, match=f"y has label {bad} at row 3; with 3 outputs"):
        _targets.prepare_y(labels, losses.get("cross_entropy"), 5, 3, dtype)


def test_one_hot_and_probabilities(dtype: str) -> None:
    for rows in (np.eye(3, dtype=int)[[0, 2, 1]], np.full((3, 3), 1 / 3), np.eye(3, dtype=bool)):
        t = _targets.prepare_y(rows, losses.get("cross_entropy"), 3, 3, dtype)
        assert t.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(t, rows.astype(dtype))


@pytest.mark.parametrize(
    ("loss", "n_out", "shapes"),
    [
        ("mse", 1, [(4,), (4, 1)]),
        ("mse", 2, [(4, 2)]),
        ("binary_cross_entropy", 1, [(4,), (4, 1)]),
        ("binary_cross_entropy", 2, [(4, 2)]),
    ],
)
@pytest.mark.parametrize("given", ["float64", "int32", "bool"])
def test_real_targets(loss: str, n_out: int, shapes: list, given: str, dtype: str) -> None:
    for shape in shapes:
        y = RNG.integers(0, 2, shape).astype(given)
        t = _targets.prepare_y(np.asfortranarray(y), losses.get(loss), 4, n_out, dtype)
        assert t.shape == (4, n_out)
        assert t.dtype == np.dtype(dtype)
        assert t.flags.c_contiguous
        np.testing.assert_array_equal(t, y.reshape(4, n_out))


def test_targets_and_weights_are_copies(dtype: str) -> None:
    labels = np.array([0, 1, 2])
    rows = np.eye(3, dtype=dtype)
    weights = np.ones(3, dtype)
    for kept, given in [
        (_targets.prepare_y(labels, losses.get("cross_entropy"), 3, 3, dtype), labels),
        (_targets.prepare_y(rows, losses.get("cross_entropy"), 3, 3, dtype), rows),
        (_targets.prepare_y(rows, losses.get("mse"), 3, 3, dtype), rows),
        (_targets.prepare_y(rows, losses.get("binary_cross_entropy"), 3, 3, dtype), rows),
        (_targets.prepare_y(rows[0], losses.get("mse"), 3, 1, dtype), rows),
        (_targets.prepare_weight(weights, 3, dtype), weights),
    ]:
        assert kept is not None
        assert not np.shares_memory(kept, given)


def test_weights(dtype: str) -> None:
    assert _targets.prepare_weight(None, 3, dtype) is None
    for given in ([1, 0, 2], np.array([True, False, True]), np.array([0.5, 0, 1.5])):
        w = _targets.prepare_weight(given, 3, dtype)
        assert w is not None
        assert w.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(w, given)
    zeros = _targets.prepare_weight(np.zeros(3), 3, dtype)
    assert zeros is not None
    assert not zeros.any()
    with pytest.raises(ValueError, match="sample_weight is zero everywhere"):
        _targets.prepare_weight(np.zeros(3), 3, dtype, positive=True)


def test_no_rows_only_where_asked(dtype: str) -> None:
    assert _inputs.prepare_x(np.zeros((0, 4)), (4,), dtype, empty=True).shape == (0, 4)
    with pytest.raises(ValueError, match="X is empty"):
        _inputs.prepare_x(np.zeros((0, 4)), (4,), dtype)
