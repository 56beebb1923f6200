"""Preparing X, y and sample_weight for the engines: every check on data is here.

What comes out is what the engines take for granted: native arrays of the right shape, finite,
labels in range. X stays where it is if it `streams`: the engines read it there and convert batch by
batch. Everything else becomes C-contiguous arrays of the right dtype. y and sample_weight are
always copies, made before they are checked: another thread that writes to the user's array
meanwhile cannot undo a check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._check import ELEMENTS
from ._spec import describe, suggest

Array = npt.NDArray[Any]
Data = tuple[Array, Array, Array | None]  # X, y, sample_weight as an engine takes them

CHUNK = 1 << 16  # values looked at in one go: the booleans of a chunk stay in the cache
SUM_TOLERANCE = 1e-3  # of a row of class probabilities


@dataclass(frozen=True)
class Target:
    """What data is prepared for; n_in is None before the network is built."""

    loss: str
    n_in: int | None
    n_out: int
    dtype: str


def prepare_data(
    values: tuple[object, object, object],
    target: Target,
    *,
    names: tuple[str, str, str] = ("X", "y", "sample_weight"),
    positive: bool = False,
) -> Data:
    """(X, y, sample_weight) ready for an engine; all are checked before any is returned."""
    x = prepare_x(values[0], target.n_in, target.dtype, name=names[0])
    n = x.shape[0]
    t = prepare_y(values[1], target.loss, n, target.n_out, target.dtype, name=names[1], x=names[0])
    w = prepare_weight(values[2], n, target.dtype, positive=positive, name=names[2], x=names[0])
    return x, t, w


def prepare_validation(data: object, target: Target) -> Data | None:
    """validation_data of `fit`: (X, y) or (X, y, sample_weight); None stays None."""
    if data is None:
        return None
    wanted = "validation_data must be (X, y) or (X, y, sample_weight), got"
    if not isinstance(data, (tuple, list)):
        raise TypeError(f"{wanted} {describe(data)}")
    if len(data) not in (2, 3):
        raise ValueError(f"{wanted} {len(data)} item{'' if len(data) == 1 else 's'}")
    values = (data[0], data[1], data[2] if len(data) == 3 else None)
    names = ("validation X", "validation y", "validation sample_weight")
    return prepare_data(values, target, names=names, positive=True)


def as_array(value: object, name: str) -> Array:
    """The argument as a numpy array of numbers or bools, not copied when it is one already.

    Raises TypeError for what has no real numbers in it and ValueError for ragged rows.
    """
    if value is None:
        raise TypeError(f"{name} must be an array, got None")
    if isinstance(value, (str, bytes, dict, set)):
        raise TypeError(f"{name} must be an array, got {describe(value)}")
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise TypeError(f"{name} is a sparse matrix; convert it with {name}.toarray()")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} has masked values; fill them with {name}.filled(...)")
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


def _advice(array: Array, name: str) -> str:
    if array.dtype.kind in "OUST" and name in ("y", "validation y"):
        return "; encode classes as integers: np.unique(y, return_inverse=True)[1]"
    if array.dtype.kind == "O":
        return f"; convert it with np.asarray({name}, dtype=float)"
    return ""


def first_nonfinite(array: Array, dtype: npt.DTypeLike | None = None) -> int | None:
    """The flat index of the first nan or inf of an array, converted to dtype if one is given.

    A chunk of rows at a time, so that no copy or mask of a large array is made; all that is not 2-D
    counts as one long column.
    """
    if array.ndim != 2:
        array = array.reshape(-1, 1)
    step = max(1, CHUNK // max(1, array.shape[1]))
    for start in range(0, len(array), step):
        chunk = array[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):
            values = chunk if dtype is None else chunk.astype(dtype, copy=False)
            # quicker than looking at each: nan and inf never leave a sum, whatever is added
            if np.isfinite(np.add.reduce(values, axis=None)):
                continue
            finite = np.isfinite(values)
        if not finite.all():
            place: int = start * array.shape[1] + int(finite.argmin())
            return place
    return None


def _place(index: int, shape: tuple[int, ...]) -> str:
    at = np.unravel_index(index, shape)
    return f"row {at[0]}" if len(shape) == 1 else f"row {at[0]}, column {at[1]}"


def _check_finite(array: Array, dtype: npt.DTypeLike, original: Array, name: str) -> None:
    """ValueError saying where the first nan or inf is that `array` has or gets in dtype.

    original: what the user gave; `array` is that or made from it.
    """
    if original.dtype.kind in "biu":  # every 64-bit integer fits into a float32
        return
    index = first_nonfinite(array, dtype)
    if index is None:
        return
    place = _place(index, array.shape)
    value = original[np.unravel_index(index, original.shape)]
    if np.isfinite(value):
        raise ValueError(
            f"{name} has {value!s} at {place}, which becomes inf in {np.dtype(dtype)}: "
            "scale the data or use dtype='float64'"
        )
    raise ValueError(f"{name} has {value!s} at {place}")


def _convert(array: Array, dtype: npt.DTypeLike) -> Array:
    """C-contiguous, aligned, native; the array itself if it is. Overflow becomes inf silently."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.require(array, dtype=dtype, requirements=("C", "A"))


def streams(array: Array) -> bool:
    """Whether the engines take a 2-D array as it is: float32, float64 or uint8, native and aligned,
    each row of one piece, rows any distance apart, even backwards."""
    in_pieces: bool = array.strides[1] != array.itemsize and array.shape[1] != 1
    return array.dtype in ELEMENTS and not in_pieces and array.flags.aligned


def prepare_x(
    value: object,
    n_in: int | None,
    dtype: str,
    *,
    finite: bool = True,
    empty: bool = False,
    name: str = "X",
) -> Array:
    """X as an array (n, n_in) that `streams`: the user's, or if that does not a copy, in dtype.

    n_in None: any number of features. finite: refuse nan, inf and what becomes inf in dtype. empty:
    allow zero rows.
    """
    array = as_array(value, name)
    if array.ndim == 0 or (array.ndim == 1 and array.size > 0):
        got = "a scalar" if array.ndim == 0 else f"shape {array.shape}"
        raise ValueError(
            f"{name} must have shape (n, features), got {got}: reshape one sample to "
            f"(1, features) with {name}.reshape(1, -1), one feature to (n, 1) with "
            f"{name}.reshape(-1, 1)"
        )
    if array.shape[0] == 0 and not (empty and array.ndim == 2):
        raise ValueError(f"{name} is empty: it has shape {array.shape}")
    if array.ndim > 2:
        raise ValueError(
            f"{name} must have shape (n, features), got {array.shape}: the first layer is Dense, "
            f"so reshape to (n, features) with {name}.reshape(len({name}), -1)"
        )
    if array.shape[1] == 0:
        raise ValueError(f"{name} has no features: it has shape {array.shape}")
    if n_in is not None and array.shape[1] != n_in:
        raise ValueError(
            f"{name} has the wrong number of features: expected {n_in}, got {array.shape[1]} "
            f"(shape {array.shape})"
        )
    if array.dtype.kind == "b" and array.view(np.uint8).max(initial=0) <= 1:
        array = array.view(np.uint8)  # other bytes, as in a file read as bool, mean True: converted
    x = array if streams(array) else _convert(array, dtype)
    if finite:
        _check_finite(x, dtype, array, name)
    return x


def prepare_y(
    value: object, loss: str, n: int, n_out: int, dtype: str, *, name: str = "y", x: str = "X"
) -> Array:
    """The targets for a loss: int64 labels (n,) or a (n, n_out) array of dtype, always a copy."""
    array = as_array(value, name)
    _check_length(array, n, name, x)
    if loss == "cross_entropy":
        return _classes(array, n_out, dtype, name)
    if array.ndim == 1 and n_out == 1:
        array = array[:, np.newaxis]
    if array.shape != (n, n_out):
        wanted = f"({n}, {n_out})" if n_out > 1 else f"({n},) or ({n}, 1)"
        hint = ""
        if array.ndim == 1 and array.dtype.kind in "biu":
            hint = "; for class labels use loss='cross_entropy'"
        raise ValueError(
            f"{name} must have shape {wanted} for loss {loss!r} and {n_out} "
            f"output{'s' if n_out > 1 else ''}, got {array.shape}{hint}"
        )
    original = np.array(array, order="C", copy=True)
    targets = _convert(original, dtype)
    _check_finite(targets, dtype, original, name)
    if loss == "binary_cross_entropy":
        outside = (targets < 0) | (targets > 1)
        if outside.any():
            index = int(outside.argmax())
            raise ValueError(
                f"{name} must be in [0, 1] for loss 'binary_cross_entropy', got "
                f"{original.reshape(-1)[index]!s} at {_place(index, targets.shape)}"
            )
    return targets


def _check_length(array: Array, n: int, name: str, x: str) -> None:
    if array.ndim == 0:
        raise ValueError(f"{name} must have one row a sample, got a scalar")
    if array.shape[0] != n:
        raise ValueError(f"{x} has {n} rows but {name} has {array.shape[0]}")


def _classes(array: Array, n_out: int, dtype: str, name: str) -> Array:
    """Targets of cross_entropy: integer labels, or one row of probabilities a sample."""
    n = array.shape[0]
    if array.ndim == 1 or array.shape == (n, 1):
        if array.dtype.kind == "f":
            raise TypeError(
                f"{name} has dtype {array.dtype}, but class labels must be integers: use "
                f"{name}.astype(int) (for numbers rather than classes use loss='mse')"
            )
        # in its own dtype first, so that a huge uint64 is reported as what it is
        labels = np.array(array.reshape(-1), copy=True)
        outside = (labels < 0) | (labels >= n_out)
        if labels.dtype.kind != "b" and outside.any():
            row = int(outside.argmax())
            raise ValueError(
                f"{name} has label {labels[row]!s} at row {row}; with {n_out} outputs, labels "
                f"must be 0 to {n_out - 1}"
            )
        return labels.astype(np.int64, copy=False)
    if array.shape != (n, n_out):
        raise ValueError(
            f"{name} must have shape ({n},) (labels) or ({n}, {n_out}) (one-hot or "
            f"probabilities), got {array.shape}"
        )
    original = np.array(array, order="C", copy=True)
    targets = _convert(original, dtype)
    _check_finite(targets, dtype, original, name)
    negative = targets < 0
    if negative.any():
        index = int(negative.argmax())
        raise ValueError(
            f"{name} must be >= 0 for loss 'cross_entropy', got {original.reshape(-1)[index]!s} "
            f"at {_place(index, targets.shape)}"
        )
    sums = targets.sum(axis=1, dtype=np.float64)
    wrong = np.abs(sums - 1) > SUM_TOLERANCE
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{name} must be one-hot or probabilities for loss 'cross_entropy': row {row} sums "
            f"to {sums[row]:.6g}, not 1"
        )
    return targets


def prepare_weight(
    value: object,
    n: int,
    dtype: str,
    *,
    positive: bool = False,
    name: str = "sample_weight",
    x: str = "X",
) -> Array | None:
    """sample_weight as a (n,) copy in dtype; None stays None. positive: not all may be zero."""
    if value is None:
        return None
    array = as_array(value, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape ({n},), got {array.shape}")
    _check_length(array, n, name, x)
    original = np.array(array, copy=True)
    weights = _convert(original, dtype)
    _check_finite(weights, dtype, original, name)
    negative = weights < 0
    if negative.any():
        row = int(negative.argmax())
        raise ValueError(f"{name} must be >= 0, got {original[row]!s} at row {row}")
    if positive and not weights.any():
        raise ValueError(f"{name} is zero everywhere: there is nothing to learn or to measure")
    return weights


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
        checked[name] = _convert(original, dtype)
        _check_finite(checked[name], dtype, original, f"parameter {name!r}")
    return checked
