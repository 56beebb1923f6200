"""Sparse matrices: what is accepted, and the rows that engines take.

scipy is not imported: a matrix is sparse that knows how to become CSR, three arrays with names.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _check
from ._check import Array

Int64 = npt.NDArray[np.int64]

_CHUNK = 1 << 16  # entries looked at in one go


@dataclass(frozen=True, eq=False)
class Sparse:
    """Rows (n, columns) in CSR: the entries of row i are those from indptr[i] to indptr[i + 1] of
    `data`, one of the types that engines convert, in the columns `indices`, int32 or int64 and
    ascending in a row; all others are zero.

    indptr is nobody else's. The two others may be the user's own, and what another thread writes
    there meanwhile is as undefined as that in any X; engines check indices where they use them.
    """

    data: Array
    indices: Array
    indptr: Int64
    columns: int

    ndim = 2

    @property
    def shape(self) -> tuple[int, int]:
        """(n, columns)"""
        return len(self), self.columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of `data`."""
        return self.data.dtype

    @property
    def entries(self) -> slice:
        """Those of all rows."""
        return slice(int(self.indptr[0]), int(self.indptr[-1]))

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def columns_of(self, entries: slice | Int64) -> Int64:
        """Those of some entries: own copies, inside whatever another thread writes meanwhile."""
        return np.clip(self.indices[entries].astype(np.int64), 0, self.columns - 1)

    def __getitem__(self, rows: Any) -> Sparse:
        """Some rows, by a slice or an array of integers; consecutive ones are not copied."""
        if isinstance(rows, slice) and rows.step in (None, 1):
            first, end, _ = rows.indices(len(self))
            indptr = self.indptr[first : max(first, end) + 1]
            return Sparse(self.data, self.indices, indptr, self.columns)
        chosen = np.arange(len(self))[rows]
        starts = self.indptr[chosen]
        counts = self.indptr[chosen + 1] - starts
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        taken = np.repeat(starts - indptr[:-1], counts) + np.arange(indptr[-1])
        return Sparse(self.data[taken], self.indices[taken], indptr, self.columns)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        """All of it, zeros and all; -0 becomes +0, as in scipy's toarray()."""
        dense = np.zeros(self.shape, self.dtype)
        columns = self.columns_of(self.entries)
        dense[_rows_of_entries(self.indptr), columns] += self.data[self.entries]
        return dense if dtype is None else dense.astype(dtype, copy=False)

    def place(self, entry: int) -> str:
        """"row 3, column 1" for a number in `data`."""
        row = np.searchsorted(self.indptr, entry, side="right") - 1
        return f"row {row}, column {self.indices[entry]}"


Rows = Array | Sparse


def tied(rows: Rows) -> list[object]:
    """Weak references to the arrays that have the memory of these rows: numpy resizes none that has
    one, while with refcheck=False it would take memory away from a run that holds its buffer."""
    parts = [rows.data, rows.indices] if isinstance(rows, Sparse) else [rows]
    return [weakref.ref(_owner(part)) for part in parts]


def _owner(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def is_sparse(value: object) -> bool:
    """Whether it is a sparse matrix of any format that has a way to CSR."""
    return hasattr(value, "tocsr") and hasattr(value, "nnz")


def read(value: Any, name: str) -> Sparse:
    """A sparse matrix, checked. CSR without duplicates and with the columns of each row in order
    is not copied but for indptr; duplicates are added up, in the order in which they come.

    Raises TypeError for what has no real numbers or integer indices in it and ValueError for
    another number of dimensions, rows that do not fit their entries and columns that there are not.
    """
    if len(value.shape) != 2:
        raise ValueError(f"{name} must have shape (n, features), got shape {value.shape}")
    if getattr(value, "format", None) != "csr":
        value = value.tocsr()
    data, indices, indptr = (_vector(value, part, name) for part in ("data", "indices", "indptr"))
    n, columns = map(int, value.shape)
    own = np.array(indptr, np.int64)
    if len(own) != n + 1:
        raise ValueError(f"{name}.indptr must have {n + 1} entries for {n} rows, got {len(own)}")
    falls = np.diff(own, prepend=0) < 0
    if own[0] or falls.any():
        at = int(falls.argmax())
        raise ValueError(f"{name}.indptr must begin with 0 and not fall, got {own[at]} at {at}")
    count = int(own[-1])
    if count > min(len(data), len(indices)):
        raise ValueError(
            f"{name}.indptr ends with {count}, but there are {len(data)} data and {len(indices)} "
            "indices"
        )
    if indices.dtype not in (np.dtype(np.int32), np.dtype(np.int64)) or not indices.flags.aligned:
        indices = indices.astype(np.int64)
    rows = Sparse(data[:count], indices[:count], own, columns)
    _check_columns(rows, name)
    return rows if _in_order(rows) else _add_up(rows)


def _vector(value: Any, part: str, name: str) -> Array:
    array = np.asarray(getattr(value, part))
    kinds, wanted = ("biuf", "numbers") if part == "data" else ("iu", "integers")
    if array.dtype.kind not in kinds:
        where = name if part == "data" else f"{name}.{part}"
        raise TypeError(f"{where} must be {wanted}, got dtype {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name}.{part} must have 1 dimension, got shape {array.shape}")
    return np.ascontiguousarray(array)


def _rows_of_entries(indptr: Int64) -> Int64:
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


def _check_columns(rows: Sparse, name: str) -> None:
    for first in range(0, len(rows.indices), _CHUNK):
        chunk = rows.indices[first : first + _CHUNK]
        if chunk.min() >= 0 and chunk.max() < rows.columns:
            continue
        at = int(((chunk < 0) | (chunk >= rows.columns)).argmax())
        row = np.searchsorted(rows.indptr, first + at, side="right") - 1
        raise ValueError(
            f"{name} has an entry in column {chunk[at]} of row {row}; with {rows.columns} columns, "
            f"indices must be 0 to {rows.columns - 1}"
        )


def _in_order(rows: Sparse) -> bool:
    """Whether the columns of each row ascend. Steps down are allowed where a row begins."""
    steps = 0
    for first in range(0, len(rows.indices), _CHUNK):
        chunk = rows.indices[first : first + _CHUNK + 1]
        steps += int(np.count_nonzero(chunk[1:] <= chunk[:-1]))
    begins = np.unique(rows.indptr)
    begins = begins[(begins > 0) & (begins < len(rows.indices))]
    return steps == int(np.count_nonzero(rows.indices[begins] <= rows.indices[begins - 1]))


def _add_up(rows: Sparse) -> Sparse:
    """A copy with the columns in order. Sums begin with 0 and go in the order of the entries, as in
    scipy's toarray()."""
    row, column = _rows_of_entries(rows.indptr), rows.columns_of(rows.entries)
    order = np.lexsort((column, row))
    row, column = row[order], column[order]
    new = np.ones(len(order), bool)
    new[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1])
    data = np.zeros(np.count_nonzero(new), rows.dtype)
    np.add.at(data, np.cumsum(new) - 1, rows.data[order])
    ends = np.cumsum(np.bincount(row[new], minlength=len(rows)), dtype=np.int64)
    indptr = np.concatenate([np.zeros(1, np.int64), ends])
    return Sparse(data, column[new], indptr, rows.columns)


def input_rows(argument: str, a: object, columns: int) -> Rows:
    """`a` as it is: sparse rows, or an (n, columns) array, of one of the types engines convert."""
    if not isinstance(a, Sparse):
        return _check.input_rows(argument, a, columns)
    if a.columns != columns:
        raise ValueError(f"{argument} must have shape (any, {columns}), got {a.shape}")
    return a
