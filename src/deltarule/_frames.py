"""Tables and columns of pandas, polars and pyarrow as arrays of numbers.

None of these libraries is imported: where one of their tables is given, its library is there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CHUNK = 1 << 16  # numbers of a block of rows that columns are laid side by side in


class Named(np.ndarray[Any, Any]):
    """The numbers of a table (n, columns), which know their columns' names: messages give them."""

    columns: tuple[object, ...] = ()


class Column(NamedTuple):
    """values: None where they are no numbers; missing ones are nan. missing: which are, None: no
    one is."""

    values: Array | None
    missing: Array | None = None


class Library(NamedTuple):
    """How one of them calls its classes, and how it is read."""

    tables: tuple[str, ...]
    columns: tuple[str, ...]
    lazy: tuple[str, ...]
    items: Callable[[Any], Iterator[tuple[object, Any]]]
    kind: Callable[[Any], object]
    read: Callable[[Any, Any], Column]

    def are(self, module: Any, value: object, names: tuple[str, ...]) -> bool:
        """Whether a value is of one of these classes; a library half imported may lack them."""
        return isinstance(value, tuple(getattr(module, name, ()) for name in names))


def columns_of(array: Array) -> tuple[object, ...]:
    """The names of the columns of an array that was a table; empty for others."""
    return array.columns if isinstance(array, Named) else ()


def read(value: object, name: str, *, missing: bool = False) -> Array | None:
    """A table as Named (n, columns), a column as (n,); None where the value is neither.

    A table gets the dtype that has all numbers of its columns. missing: they become nan, else there
    is a ValueError that says where the first is. TypeError where a column has no numbers.
    """
    for title, library in LIBRARIES.items():
        module = sys.modules.get(title)
        if module is None:
            continue
        if library.are(module, value, library.lazy):
            raise TypeError(f"{name} is a {type(value).__name__}; give {name}.collect()")
        if library.are(module, value, library.columns):
            return _numbers(library, module, value, name, "", missing)
        if library.are(module, value, library.tables):
            items = list(library.items(value))
            names = tuple(column for column, _ in items)
            whole = _in_one_piece(value)
            if whole is None:
                whole = _side_by_side(
                    len(value),  # type: ignore[arg-type]
                    [
                        _numbers(library, module, column, name, f"column {label!r}", missing)
                        for label, column in items
                    ],
                )
            named = whole.view(Named)
            named.columns = names
            return named
    return None


def _numbers(
    library: Library, module: Any, column: Any, name: str, where: str, missing: bool
) -> Array:
    values, gone = library.read(module, column)
    if values is None or values.dtype.kind not in "biuf":
        place = f" in {where}" if where else ""
        hint = "encode classes as integers: np.unique(y, return_inverse=True)[1]"
        if name not in ("y", "validation y"):
            hint = "leave it out, or make numbers of it"
        raise TypeError(f"{name} must be numbers, got dtype {library.kind(column)}{place}; {hint}")
    if gone is not None and not missing:
        place = f", {where}" if where else ""
        raise ValueError(f"{name} has a missing value at row {int(gone.argmax())}{place}")
    return values


def _in_one_piece(table: Any) -> Array | None:
    """What pandas keeps as one array of numbers is not taken apart."""
    dtypes = set(getattr(table, "dtypes", ())) if hasattr(table, "iloc") else set()
    if len(dtypes) != 1:
        return None
    (dtype,) = dtypes
    return table.to_numpy() if isinstance(dtype, np.dtype) and dtype.kind in "biuf" else None


def _side_by_side(n: int, columns: list[Array]) -> Array:
    dtype = np.result_type(*(column.dtype for column in columns)) if columns else np.dtype(float)
    table = np.empty((n, len(columns)), dtype)
    step = max(1, CHUNK // max(1, len(columns)))
    for first in range(0, n, step):
        rows = slice(first, first + step)
        for at, column in enumerate(columns):
            table[rows, at] = column[rows]
    return table


# ----------------------------------------------------------------------------- column by column
def _pandas(module: Any, column: Any) -> Column:
    if isinstance(column.dtype, np.dtype):
        return Column(column.to_numpy())
    dtype = getattr(column.dtype, "numpy_dtype", None)  # of Int64, boolean, float[pyarrow], ...
    if dtype is None or dtype.kind not in "biuf":
        return Column(None)
    gone = np.asarray(column.isna())
    if gone.any():
        return Column(column.to_numpy(dtype="float64", na_value=np.nan), gone)
    return Column(column.to_numpy(dtype=dtype))


def _polars(module: Any, column: Any) -> Column:
    plain = column.dtype == module.Boolean or column.dtype.is_integer() or column.dtype.is_float()
    if not plain and not column.dtype.is_numeric():
        return Column(None)
    gone = column.is_null().to_numpy() if column.null_count() else None
    if gone is not None or not plain:
        column = column.cast(module.Float64)
    return Column(column.to_numpy(), gone)


def _pyarrow(module: Any, column: Any) -> Column:
    types, kind = module.types, column.type
    plain = types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
    if not plain and not types.is_decimal(kind):
        return Column(None)
    gone = np.asarray(column.is_null()) if column.null_count else None
    if gone is not None or not plain:
        column = column.cast(module.float64())
    return Column(np.asarray(column), gone)


LIBRARIES = {
    "pandas": Library(
        tables=("DataFrame",),
        columns=("Series", "Index"),
        lazy=(),
        items=lambda table: table.items(),
        kind=lambda column: column.dtype,
        read=_pandas,
    ),
    "polars": Library(
        tables=("DataFrame",),
        columns=("Series",),
        lazy=("LazyFrame",),
        items=lambda table: ((column.name, column) for column in table.get_columns()),
        kind=lambda column: column.dtype,
        read=_polars,
    ),
    "pyarrow": Library(
        tables=("Table", "RecordBatch"),
        columns=("Array", "ChunkedArray"),
        lazy=(),
        items=lambda table: zip(table.schema.names, table.columns, strict=True),
        kind=lambda column: column.type,
        read=_pyarrow,
    ),
}
