"""Preparing y, sample_weight and class_weight: what is said about each sample, as engines take it.

What comes out are copies, made before they are checked: int64 labels (n,), or numbers (n, n_out) of
the dtype, with a target for each output; and weights. Samples whose label is to be ignored get the
weight 0, and weights of classes become weights of samples, so that engines know of neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _frames, _inputs
from ._check_sparse import Rows
from ._inputs import Array, as_array
from ._spec import describe
from .layers import Layer, output_shape
from .losses import Loss

Data = tuple[Rows, Array, Array | None]  # X, y, sample_weight as an engine takes them
Validation = tuple[npt.ArrayLike, npt.ArrayLike] | tuple[npt.ArrayLike, npt.ArrayLike, Any]
ClassWeight = Mapping[int, float] | str | npt.ArrayLike | list[Any] | None

VALIDATION = ("validation X", "validation y", "validation sample_weight")  # in messages
SUM_TOLERANCE = 1e-3  # of a row of class probabilities


@dataclass(frozen=True)
class Target:
    """What data is prepared for; `shape` and `output`, those of a sample and of what comes out, are
    None and () before the network is built."""

    loss: Loss
    layers: Sequence[Layer]
    shape: tuple[int, ...] | None
    dtype: str
    output: tuple[int, ...] = ()


def prepare_data(
    values: tuple[object, ...],
    target: Target,
    *,
    names: tuple[str, str, str] = ("X", "y", "sample_weight"),
    positive: bool = False,
) -> Data:
    """(X, y, sample_weight) ready for an engine; all are checked before any is returned.

    values: X, y, sample_weight and, if there is one, class_weight, as users give them.
    positive: not all weights may be zero.
    """
    X, y, sample_weight, class_weight = (*values, None)[:4]
    X = _inputs.as_rows(X, names[0])
    x = _inputs.prepare_x(X, target.shape, target.dtype, name=names[0])
    shape = target.output or output_shape(target.layers, X.shape[1:])
    n, loss, n_out = x.shape[0], target.loss, math.prod(shape)
    y = as_array(y, names[1])
    if len(shape) > 1 and y.shape[1:] == shape:
        y = y.reshape(len(y), -1)
    t = prepare_y(y, loss, n, n_out, target.dtype, name=names[1], x=names[0])
    w = prepare_weight(
        sample_weight, n, target.dtype, positive=positive, name=names[2], x=names[0]
    )
    ignored = _ignored(loss, t)
    if class_weight is not None:
        of_class = _class_weights(class_weight, loss, t, n_out, ignored, names[1])
        both = of_class if w is None else w * of_class
        w = _inputs.convert(both, target.dtype)
        _inputs.check_finite(w, target.dtype, both, "class_weight times sample_weight")
    if ignored is not None:
        w = np.ones(n, target.dtype) if w is None else w
        w[ignored], t[ignored] = 0, 0
    if w is not None and positive and not w.any():
        raise ValueError(f"no row of {names[1]} counts: labels are ignored, or weigh nothing")
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
    values = (*data, None)[:3]
    return prepare_data(values, target, names=VALIDATION, positive=True)


# ----------------------------------------------------------------------------------- sample_weight
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
    weights, original = _own(array, dtype, name)
    _refuse(weights < 0, original, name, ">= 0")
    if positive and not weights.any():
        raise ValueError(f"{name} is zero everywhere: there is nothing to learn or to measure")
    return weights


# ----------------------------------------------------------------------------------------------- y
def prepare_y(
    value: object, loss: Loss, n: int, n_out: int, dtype: str, *, name: str = "y", x: str = "X"
) -> Array:
    """The targets for a loss: int64 labels (n,) or a (n, n_out) array of dtype, always a copy.
    Labels that are to be ignored are still there."""
    array = as_array(value, name)
    _check_length(array, n, name, x)
    return _KINDS[loss.targets](array, loss, n_out, dtype, name)


def _check_length(array: Array, n: int, name: str, x: str) -> None:
    if array.ndim == 0:
        raise ValueError(f"{name} must have one row a sample, got a scalar")
    if array.shape[0] != n:
        raise ValueError(f"{x} has {n} rows but {name} has {array.shape[0]}")


def _own(array: Array, dtype: str, name: str) -> tuple[Array, Array]:
    """A finite copy in dtype, and one as it was given."""
    original = np.array(array, order="C", copy=True)
    own = _inputs.convert(original, dtype)
    _inputs.check_finite(own, dtype, original, name, _frames.columns_of(array))
    return own, original


def _refuse(bad: Array, original: Array, name: str, wanted: str) -> None:
    """ValueError naming the first place where something is bad."""
    if bad.any():
        index = int(bad.argmax())
        place = _inputs.place(index, bad.shape)
        got = original.reshape(-1)[index]
        raise ValueError(f"{name} must be {wanted}, got {got!s} at {place}")


def _numbers(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> Array:
    return _rows(array, loss, n_out, dtype, name)[0]


def _rows(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> tuple[Array, Array]:
    """Rows of targets, each as many times as there are outputs for it; and as they were given."""
    n, wide = len(array), n_out // loss.per_target
    if array.ndim == 1 and wide == 1:
        array = array[:, np.newaxis]
    if array.shape != (n, wide):
        wanted = f"({n}, {wide})" if wide > 1 else f"({n},) or ({n}, 1)"
        hint = ""
        if array.ndim == 1 and array.dtype.kind in "biu":
            hint = "; for class labels use loss='cross_entropy'"
        raise ValueError(
            f"{name} must have shape {wanted} for loss {loss.kind!r} and {n_out} "
            f"output{'s' if n_out > 1 else ''}, got {array.shape}{hint}"
        )
    own, original = _own(array, dtype, name)
    return np.repeat(own, loss.per_target, axis=1) if loss.per_target > 1 else own, original


def _counts(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> Array:
    t, original = _rows(array, loss, n_out, dtype, name)
    _refuse(t < 0, original, name, f">= 0 for loss {loss.kind!r}")
    return t


def _directions(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> Array:
    t = _numbers(array, loss, n_out, dtype, name)
    zero = ~t.any(axis=1)
    if zero.any():
        row = int(zero.argmax())
        raise ValueError(f"{name} is zero in all of row {row}: no direction for loss {loss.kind!r}")
    return t


def _shares(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> Array:
    t, original = _rows(array, loss, n_out, dtype, name)
    _refuse((t < 0) | (t > 1), original, name, f"in [0, 1] for loss {loss.kind!r}")
    return t


def _bits(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> Array:
    t, original = _rows(array, loss, n_out, dtype, name)
    _refuse((t != 0) & (t != 1), original, name, f"0 or 1 for loss {loss.kind!r}")
    return t


def _signs(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> Array:
    t, original = _rows(array, loss, n_out, dtype, name)
    least = -1 if (t == -1).any() else 0
    wanted = f"-1 and 1, or 0 and 1, for loss {loss.kind!r}"
    _refuse((t != least) & (t != 1), original, name, wanted)
    return np.where(t == 1, t, np.array(-1, t.dtype))


def _labels(array: Array, loss: Loss, n_out: int, name: str) -> Array:
    """Integer labels, int64."""
    if array.dtype.kind == "f":
        raise TypeError(
            f"{name} has dtype {array.dtype}, but class labels must be integers: use "
            f"{name}.astype(int) (for numbers rather than classes use loss='mse')"
        )
    # in its own dtype first, so that a huge uint64 is reported as what it is
    labels = np.array(array.reshape(-1), copy=True)
    if labels.dtype.kind != "b":
        outside = ((labels < 0) | (labels >= n_out)) & (labels != loss.ignored)
        if outside.any():
            row = int(outside.argmax())
            raise ValueError(
                f"{name} has label {labels[row]!s} at row {row}; with {n_out} outputs, labels "
                f"must be 0 to {n_out - 1}"
            )
    return labels.astype(np.int64, copy=False)


def _chances(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> Array:
    """One row of probabilities a sample."""
    n = len(array)
    if array.shape != (n, n_out):
        labels = f"({n},) (labels) or " if loss.takes(labels=True) else ""
        rows = "one-hot or probabilities" if loss.takes(labels=False) else "one-hot"
        raise ValueError(
            f"{name} must have shape {labels}({n}, {n_out}) ({rows}), got {array.shape}"
        )
    t, original = _own(array, dtype, name)
    _refuse(t < 0, original, name, f">= 0 for loss {loss.kind!r}")
    sums = t.sum(axis=1, dtype=np.float64)
    wrong = np.abs(sums - 1) > SUM_TOLERANCE
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{name} must be one-hot or probabilities for loss {loss.kind!r}: row {row} sums "
            f"to {sums[row]:.6g}, not 1"
        )
    return t


def _classes(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> Array:
    if array.ndim == 1 or array.shape == (len(array), 1):
        return _labels(array, loss, n_out, name)
    return _chances(array, loss, n_out, dtype, name)


def _labels_only(array: Array, loss: Loss, n_out: int, dtype: str, name: str) -> Array:
    t = _classes(array, loss, n_out, dtype, name)
    if t.ndim == 1:
        return t
    _refuse((t != 0) & (t != 1), array, name, f"labels or one-hot for loss {loss.kind!r}")
    labels: Array = t.argmax(axis=1).astype(np.int64, copy=False)
    return labels


_KINDS: dict[str, Callable[[Array, Loss, int, str, str], Array]] = {
    "numbers": _numbers,
    "counts": _counts,
    "directions": _directions,
    "shares": _shares,
    "bits": _bits,
    "signs": _signs,
    "chances": _chances,
    "classes": _classes,
    "labels": _labels_only,
}


def _ignored(loss: Loss, t: Array) -> Array | None:
    """Which labels are to be ignored, if any are."""
    if loss.ignored is None or t.ndim > 1:
        return None
    found: Array = t == loss.ignored
    return found if found.any() else None


# ------------------------------------------------------------------------------------ class_weight
def _class_weights(
    value: object, loss: Loss, t: Array, n_out: int, ignored: Array | None, name: str
) -> npt.NDArray[np.float64]:
    """class_weight as weights of the samples, (n,): the product of those of its classes, one for
    each column of targets that are classes by themselves."""
    columns, count = _columns(loss, t, n_out, name)
    keep = np.ones(len(t), bool) if ignored is None else ~ignored
    weights = np.ones(len(t))
    for classes, (label, given) in zip(columns.T, _each(value, columns.shape[1]), strict=True):
        weights[keep] *= _class_table(given, classes[keep], count, label)[classes[keep]]
    return weights


def _each(value: object, n_columns: int) -> list[tuple[str, object]]:
    """class_weight of each column, by its name in messages: the same for all, or one of a list."""
    several = isinstance(value, list | tuple) and not all(isinstance(v, Real) for v in value)
    if n_columns == 1 or not several:
        return [("class_weight", value)] * n_columns
    assert isinstance(value, list | tuple)
    if len(value) != n_columns:
        raise ValueError(
            f"class_weight must have an entry for each of the {n_columns} outputs, got {len(value)}"
        )
    return [(f"class_weight[{i}]", given) for i, given in enumerate(value)]


def _columns(loss: Loss, t: Array, n_out: int, name: str) -> tuple[Array, int]:
    """The classes of the samples, one column or several, and how many classes there are."""
    if loss.decides == "threshold":
        low = -1 if loss.targets == "signs" else 0
        _refuse((t != low) & (t != 1), t, name, "0 or 1 where class_weight is given")
        return (t == 1).astype(np.int64), 2
    if loss.decides == "argmax":
        return (t if t.ndim == 1 else t.argmax(axis=1))[:, np.newaxis], n_out
    raise ValueError(f"class_weight needs classes, and loss {loss.kind!r} has none")


def _class_table(value: object, classes: Array, count: int, name: str) -> npt.NDArray[np.float64]:
    """The weight of each class."""
    if isinstance(value, str):
        if value != "balanced":
            raise ValueError(f"{name} must be 'balanced', a dict or an array, got {value!r}")
        seen = np.bincount(classes, minlength=count)
        present = np.count_nonzero(seen)
        return np.where(seen > 0, len(classes) / (present * np.maximum(seen, 1)), 1.0)
    table = np.ones(count)
    if isinstance(value, Mapping):
        for label, weight in value.items():
            if isinstance(label, bool) or not isinstance(label, int | np.integer):
                raise TypeError(f"{name} must have integer classes as keys, got {describe(label)}")
            if not 0 <= label < count:
                raise ValueError(f"{name} has class {label}; classes are 0 to {count - 1}")
            if isinstance(weight, bool) or not isinstance(weight, Real):
                raise TypeError(f"{name}[{label}] must be a number, got {describe(weight)}")
            table[label] = weight
    else:
        given = as_array(value, name)
        if given.shape != (count,):
            raise ValueError(f"{name} must have shape ({count},), got {given.shape}")
        table[:] = given
    bad = ~(np.isfinite(table) & (table >= 0))
    if bad.any():
        label = int(bad.argmax())
        raise ValueError(f"{name} must be finite and >= 0, got {table[label]} for class {label}")
    return table
