"""Tables and columns of pandas, polars and pyarrow as X, y and weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deltarule import Network, _inputs, _targets, losses

from .conftest import Data
from .interruption import assert_same

LIBRARIES = ("pandas", "polars", "pyarrow")
each = pytest.mark.parametrize("library", LIBRARIES)


def table(library: str, columns: dict[str, Any]) -> Any:
    module = pytest.importorskip(library)
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


def column(library: str, values: Any) -> Any:
    module = pytest.importorskip(library)
    if library == "pyarrow":
        return module.chunked_array([values[:2], values[2:]])
    dtype = "Int64" if library == "pandas" and None in list(values) else None
    return module.Series(values, dtype=dtype)


MIXES = {
    "one type": (["float32", "float32"], "float32"),
    "images": (["uint8", "uint8"], "uint8"),
    "flags": (["bool", "uint8"], "uint8"),
    "small": (["float32", "int16"], "float32"),
    "mixed": (["int64", "float32"], "float64"),
    "unlike": (["uint64", "int8"], "float64"),
}


@each
@pytest.mark.parametrize("mix", MIXES)
def test_types(library: str, mix: str) -> None:
    dtypes, expected = MIXES[mix]
    columns = {f"c{i}": np.arange(4).astype(dtype) for i, dtype in enumerate(dtypes)}
    x = _inputs.as_array(table(library, columns), "X")
    assert x.dtype == expected
    np.testing.assert_array_equal(x, np.column_stack(list(columns.values())))
    assert type(_inputs.prepare_x(x, None, "float32")) is np.ndarray


@each
def test_as_arrays(
    library: str, make_net: Callable[..., Network], blobs: Data, tmp_path: Any
) -> None:
    """More columns and rows than are laid side by side in one go, and a batch of records."""
    x = np.random.default_rng(0).normal(size=(300, 500)).astype("float32")
    columns = {f"c{i}": values for i, values in enumerate(x.T.copy())}
    given = table(library, columns)
    np.testing.assert_array_equal(_inputs.as_array(given, "X"), x)
    if library == "pyarrow":
        np.testing.assert_array_equal(_inputs.as_array(given.to_batches()[0], "X"), x)
    x, y = blobs
    weights = np.linspace(0, 2, len(y))
    one, two = make_net(), make_net()
    one.fit(x, y, sample_weight=weights, epochs=2)
    given = table(library, {f"c{i}": values for i, values in enumerate(x.T.copy())})
    given_y, given_weights = column(library, y), column(library, weights)
    two.fit(given, given_y, sample_weight=given_weights, epochs=2, validation_data=(given, given_y))
    assert_same(one, two)
    assert one.predict(x).tobytes() == two.predict(given).tobytes()
    assert one.evaluate(x, y) == two.evaluate(given, table(library, {"label": y}))


def test_what_pandas_has_in_one_piece_is_not_copied() -> None:
    pandas = pytest.importorskip("pandas")
    x = np.ones((4, 3), "float32")
    frame = pandas.DataFrame(x, copy=False)
    assert np.shares_memory(_inputs.prepare_x(frame, (3,), "float32"), x)


BAD_X: dict[str, tuple[dict[str, list[Any]], type[Exception], str]] = {
    "text": ({"a": [1, 2], "b": ["x", "y"]}, TypeError, r"numbers, got dtype \w+ in column 'b'; l"),
    "missing": ({"a": [1, 2], "b": [3, None]}, ValueError, r"(g value|nan) at row 1, column 'b'$"),
    "nan": ({"a": [1.0, float("nan")]}, ValueError, "X has nan at row 1, column 'a'$"),
    "inf": ({"a": [1, 2], "b": [float("-inf"), 2]}, ValueError, "-inf at row 0, column 'b'$"),
    "large": ({"a": [1.0, 2.0], "b": [1.0, 1e39]}, ValueError, "row 1, column 'b', which becomes"),
    "none": ({}, ValueError, "X (has no features|is empty)"),
}


@each
@pytest.mark.parametrize("case", BAD_X)
def test_bad_columns_are_named(library: str, case: str) -> None:
    columns, error, message = BAD_X[case]
    with pytest.raises(error, match=message):
        _inputs.prepare_x(table(library, columns), None, "float32")


@each
def test_bad_targets(library: str) -> None:
    classes, numbers = losses.get("cross_entropy"), losses.get("mse")
    with pytest.raises(TypeError, match=r"y must be numbers, got .*np.unique\(y, return_inverse"):
        _targets.prepare_y(column(library, ["cat", "dog", "cat"]), classes, 3, 2, "float32")
    with pytest.raises(ValueError, match=r"y has a missing value at row 2$"):
        _targets.prepare_y(column(library, [0, 1, None]), classes, 3, 2, "float32")
    two = table(library, {"up": [1.0, 2.0], "down": [1.0, float("nan")]})
    with pytest.raises(ValueError, match=r"y has nan at row 1, column 'down'$"):
        _targets.prepare_y(two, numbers, 2, 2, "float32")


@each
def test_missing_values_become_nan_where_they_pass(library: str) -> None:
    given = table(library, {"a": [1, 2], "b": [True, None]})
    if library == "pandas":
        given = given.astype({"b": "boolean"})
    x = _inputs.prepare_x(given, (2,), "float32", finite=False)
    np.testing.assert_array_equal(x, [[1, 1], [2, np.nan]])


def test_types_of_their_own() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    pa = pytest.importorskip("pyarrow")
    own = {"a": pandas.array([1, 2], "Int8"), "b": pandas.array([0.5, 1], "Float32")}
    assert _inputs.as_array(pandas.DataFrame(own), "X").dtype == "float32"
    for bad in (pandas.Categorical(["x", "y"]), pandas.to_datetime(["2020-01-01"] * 2)):
        with pytest.raises(TypeError, match="in column 0"):
            _inputs.as_array(pandas.DataFrame({0: bad}), "X")
    with pytest.raises(TypeError, match=r"X is a LazyFrame; give X.collect\(\)"):
        _inputs.as_array(polars.LazyFrame({"a": [1]}), "X")
    with pytest.raises(TypeError, match="dictionary"):
        _inputs.as_array(pa.table({"a": pa.array(["x", "y"]).dictionary_encode()}), "X")
    from decimal import Decimal

    for exact in (pa.table({"a": [Decimal("1.5")]}), polars.DataFrame({"a": [Decimal("1.5")]})):
        np.testing.assert_array_equal(_inputs.as_array(exact, "X"), [[1.5]])


def test_nothing_is_imported_for_it() -> None:
    code = f"import sys, deltarule; assert not {{*{LIBRARIES}}} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", code], check=True)
