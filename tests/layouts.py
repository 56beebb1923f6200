"""Ways in which the numbers of an array may lie in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Derived(np.ndarray):
    """What users derive from arrays."""


def unaligned(values: np.ndarray) -> np.ndarray:
    if values.dtype.hasobject:
        return values
    array = np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
    array[...] = values
    assert not array.flags.aligned or values.dtype.alignment == 1 or values.size < 2
    return array


def read_only(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flags.writeable = False
    return values


# of arrays with two dimensions; the same numbers in the same places
LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "c": lambda a: a.copy(),
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "native by name": lambda a: a.astype(a.dtype.newbyteorder().newbyteorder()),  # '<', not '='
    "list": lambda a: a.tolist(),
    "unaligned": unaligned,
}
# of arrays with any; perhaps other numbers
MORE: dict[str, Callable[[np.ndarray], Any]] = {
    "transposed": lambda a: a.T.copy().T,
    "backwards": lambda a: a[(slice(None, None, -1),) * min(a.ndim, 1)],
    "one row again and again": lambda a: np.broadcast_to(a[:1], a.shape)
    if a.ndim and a.size else a,
    "one number again and again": lambda a: np.broadcast_to(a.ravel()[:1].reshape(()), a.shape)
    if a.size else a,
    "rows that overlap": lambda a: np.lib.stride_tricks.as_strided(
        a.ravel(), a.shape, (a.itemsize,) * a.ndim
    ) if a.size else a,
    "derived": lambda a: a.view(Derived),
    "within a larger one": lambda a: np.pad(a, 1, mode="edge")[(slice(1, -1),) * a.ndim]
    if a.size else a,
}


def bits(value: Any) -> Any:
    """What two results share that are the same; of nan there is one."""
    if isinstance(value, dict):
        return {name: bits(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [bits(one) for one in value]
    found = np.array(value)
    if found.dtype.kind == "f":
        found[np.isnan(found)] = np.nan
    return found.dtype.str, found.shape, found.tobytes()


class Csr:
    """What is taken for a sparse matrix: three arrays and a shape, which need not fit."""

    format = "csr"

    def __init__(self, data: Any, indices: Any, indptr: Any, shape: tuple[int, ...]) -> None:
        self.data, self.indices, self.indptr, self.shape = data, indices, indptr, shape
        self.nnz = len(data)

    def tocsr(self) -> Csr:
        return self

    def toarray(self) -> np.ndarray:
        dense = np.zeros(self.shape, self.data.dtype)
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))
        np.add.at(dense, (rows, self.indices), self.data)
        return dense
