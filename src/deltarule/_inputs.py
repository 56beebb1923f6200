"""Preparing X and parameters for the engines, and what all checks on data share (see _targets.py).

What comes out is what the engines take for granted: native arrays of the right shape, finite. X
stays where it is if it `streams`: the engines read it there and convert batch by batch. Everything
else becomes C-contiguous arrays of the right dtype. All but X are always copies, made before they
are checked: another thread that writes to the user's array meanwhile cannot undo a check.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _fast, _frames
from ._check import ELEMENTS
from ._check_sparse import Rows, Sparse, is_sparse, read
from ._spec import describe, suggest

Array = npt.NDArray[Any]

CHUNK = 1 << 24  # numbers looked at between two looks at signals: a hundredth of a second


def as_array(value: object, name: str, *, missing: bool = False) -> Array:
    """The argument as a numpy array of numbers or bools, not copied when it is one already.

    missing: values missing in tables become nan. Raises TypeError for what has no real numbers in
    it and ValueError for ragged rows.
    """
    if type(value) is np.ndarray and value.dtype.kind in "biuf":
        return value
    if isinstance(value, _frames.Named):
        return value
    if value is None:
        raise TypeError(f"{name} must be an array, got None")
    if isinstance(value, (str, bytes, dict, set)):
        raise TypeError(f"{name} must be an array, got {describe(value)}")
    if is_sparse(value):
        raise TypeError(f"{name} is a sparse matrix; convert it with {name}.toarray()")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} has masked values; fill them with {name}.filled(...)")
    table = None if isinstance(value, np.ndarray) else _frames.read(value, name, missing=missing)
    if table is not None:
        return table
    try:
        array = np.asarray(value)
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise ValueError(f"{name} has rows of different lengths") from None
        raise TypeError(f"{name} cannot be converted to a numpy array: {error}") from error
    except TypeError as error:
        raise TypeError(f"{name} cannot be converted to a numpy array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be numbers, got dtype {array.dtype}{_advice(array, name)}")
    return array


def as_rows(value: object, name: str, *, missing: bool = False) -> Rows:
    """X as sparse rows, if it is a sparse matrix, or else as an array. missing: as in as_array."""
    if isinstance(value, Sparse):
        return value
    return read(value, name) if is_sparse(value) else as_array(value, name, missing=missing)


def _advice(array: Array, name: str) -> str:
    if array.dtype.kind in "OUST" and name in ("y", "validation y"):
        return "; encode classes as integers: np.unique(y, return_inverse=True)[1]"
    if array.dtype.kind == "O":
        return f"; convert it with np.asarray({name}, dtype=float)"
    return ""


def first_nonfinite(array: Array, dtype: str) -> int | None:
    """The flat index of the first number that is nan or inf or becomes so in dtype, in what
    `streams`, or a contiguous one of one dimension."""
    rows = array if array.ndim == 2 else array.reshape(-1, 1)
    step = max(1, CHUNK // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        found = _fast.first_nonfinite(dtype, rows[start : start + step])
        if found is not None:
            return start * int(rows.shape[1]) + found
    return None


def place(index: int, shape: tuple[int, ...], columns: tuple[object, ...] = ()) -> str:
    """"row 3, column 1" for a flat index, or "row 3, column 'age'"."""
    at = np.unravel_index(index, shape)
    if len(shape) == 1:
        return f"row {at[0]}"
    return f"row {at[0]}, column {repr(columns[at[1]]) if columns else at[1]}"


def check_finite(
    array: Array,
    dtype: str,
    original: Array,
    name: str,
    columns: tuple[object, ...] = (),
    where: Callable[[int], str] | None = None,
) -> None:
    """ValueError saying where the first nan or inf is that `array` has or gets in dtype.

    original: what the user gave; `array` is that or made from it. columns: their names. where: what
    says it in other words.
    """
    if original.dtype.kind in "biu":  # every 64-bit integer fits into a float32
        return
    index = first_nonfinite(array, dtype)
    if index is None:
        return
    at = where(index) if where else place(index, array.shape, columns)
    value = original[np.unravel_index(index, original.shape)]
    if np.isfinite(value):
        raise ValueError(
            f"{name} has {value!s} at {at}, which becomes inf in {dtype}: "
            "scale the data or use dtype='float64'"
        )
    raise ValueError(f"{name} has {value!s} at {at}")


def convert(array: Array, dtype: str) -> Array:
    """C-contiguous, aligned, native; the array itself if it is. Overflow becomes inf silently."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        return np.require(array, dtype=dtype, requirements=("C", "A"))


def streams(array: Array) -> bool:
    """Whether the engines take a 2-D array as it is: float32, float64 or uint8, native and aligned,
    each row of one piece, rows any distance apart, even backwards."""
    in_pieces: bool = array.strides[1] != array.itemsize and array.shape[1] != 1
    return array.dtype in ELEMENTS and not in_pieces and array.flags.aligned


def _as_bytes(array: Array) -> Array:
    """Bools as numbers, but not other bytes, which mean True, as in a file read as bool."""
    if array.dtype.kind == "b" and array.view(np.uint8).max(initial=0) <= 1:
        return array.view(np.uint8)
    return array


def prepare_x(
    value: object,
    shape: tuple[int, ...] | None,
    dtype: str,
    *,
    finite: bool = True,
    empty: bool = False,
    name: str = "X",
) -> Rows:
    """X as an array (n, features) that `streams`: the user's, or if that does not a copy, in dtype;
    or as sparse rows. Samples of a higher rank are laid flat, rows first.

    shape: of a sample; None: any. finite: refuse nan, inf and what becomes inf in dtype. empty:
    allow zero rows.
    """
    given = as_rows(value, name, missing=not finite)
    _check_samples(given, shape, empty, name)
    if isinstance(given, Sparse):
        return _prepare_sparse(given, dtype, finite, name)
    array = np.asarray(given)
    if array.ndim > 2:
        array = array.reshape(len(array), math.prod(array.shape[1:]))
    array = _as_bytes(array)
    x = array if streams(array) else convert(array, dtype)
    if finite:
        check_finite(x, dtype, array, name, _frames.columns_of(given))
    return x


def _check_samples(array: Rows, shape: tuple[int, ...] | None, empty: bool, name: str) -> None:
    if array.ndim == 0 or (array.ndim == 1 and len(array) > 0):
        got = "a scalar" if array.ndim == 0 else f"shape {array.shape}"
        raise ValueError(
            f"{name} must have shape (n, features), got {got}: reshape one sample to "
            f"(1, features) with {name}.reshape(1, -1), one feature to (n, 1) with "
            f"{name}.reshape(-1, 1)"
        )
    if array.shape[0] == 0 and not (empty and array.ndim >= 2):
        raise ValueError(f"{name} is empty: it has shape {array.shape}")
    if 0 in array.shape[1:]:
        raise ValueError(f"{name} has no features: it has shape {array.shape}")
    if shape is not None and array.shape[1:] != shape:
        if array.ndim == 2 and len(shape) == 1:
            raise ValueError(
                f"{name} has the wrong number of features: expected {shape[0]}, got "
                f"{array.shape[1]} (shape {array.shape})"
            )
        wanted = ", ".join(map(str, ("n", *shape)))
        hint = f": reshape to (n, features) with {name}.reshape(len({name}), -1)"
        raise ValueError(
            f"{name} must have shape ({wanted}), got {array.shape}{hint if len(shape) == 1 else ''}"
        )


def _prepare_sparse(rows: Sparse, dtype: str, finite: bool, name: str) -> Sparse:
    """Their numbers as those of an array that `streams`."""
    data = _as_bytes(rows.data)
    taken = data.dtype in ELEMENTS and data.flags.aligned
    x = replace(rows, data=data if taken else convert(data, dtype))
    if finite:
        check_finite(x.data, dtype, data, name, where=x.place)
    return x


def prepare_parameters(
    values: object, shapes: dict[str, tuple[int, ...]], dtype: str
) -> dict[str, Array]:
    """Checked copies of some or all parameters, by name; all are checked before any is returned."""
    if not isinstance(values, Mapping):
        raise TypeError(f"parameters must be a dict of arrays by name, got {describe(values)}")
    checked: dict[str, Array] = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise TypeError(f"names of parameters must be texts, got {describe(name)}")
        if name not in shapes:
            hint = suggest(name, shapes)
            raise ValueError(f"unknown parameter {name!r}{hint}; known: {', '.join(shapes)}")
        array = as_array(value, f"parameter {name!r}")
        if array.shape != shapes[name]:
            raise ValueError(
                f"parameter {name!r} must have shape {shapes[name]}, got {array.shape}"
            )
        original = np.array(array, order="C", copy=True)
        checked[name] = convert(original, dtype)
        check_finite(checked[name], dtype, original, f"parameter {name!r}")
        if name.endswith(".running_var") and (checked[name] < 0).any():
            raise ValueError(f"parameter {name!r} must be >= 0, got {checked[name].min()}")
    return checked
