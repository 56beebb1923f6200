"""Argument checks shared by the fast functions, the numpy reference and Network.

One set of checks for both backends, so that a bad call raises the same exception whichever runs it.
A wrong kind of thing is a TypeError, a wrong value or shape a ValueError; every message names the
argument, what was expected and what came. numpy only; nothing here computes.
"""

import difflib
import math
import numbers
import operator
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .losses import Loss

Array = npt.NDArray[Any]

# The position of a name is its number in C (the enums of deltarule.h).
ACTIVATIONS = (
    "identity",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "gelu_tanh",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "sigmoid",
    "hard_sigmoid",
    "hard_swish",
    "tanh",
    "exp",
    "softmax",
    "log_softmax",
)
# Those whose derivative is read off their input; of the others the output is enough.
NEED_INPUT = frozenset({"gelu", "gelu_tanh", "silu", "mish", "hard_swish"})
NOISES = ("dropout", "alpha_dropout", "gaussian_noise")
# What the rows that a plan reads may be made of; it converts them batch by batch.
ELEMENTS = tuple(map(np.dtype, ("float32", "float64", "uint8")))
INITIALIZERS = (
    *("zeros", "ones", "constant", "uniform", "normal", "truncated_normal", "orthogonal"),
    *(f"{by}_{how}" for by in ("glorot", "he", "lecun") for how in ("uniform", "normal")),
)
# What random numbers are drawn for: part of the counter, so that no two uses share a stream.
PURPOSES = {"weight": 0, "bias": 1, "shuffle": 2, "noise": 3, "split": 4}

# The default of the parameter of the activations that have one. It may be 0 but in celu, which
# divides by it; it is never negative, as the side of the kink is read off the sign of the output.
_ALPHAS = {"leaky_relu": 0.01, "elu": 1.0, "celu": 1.0}

# The block counter has 32 bits and a block four words: a stream ends after 2^34 words.
_STREAM_WORDS = 4 << 32


# ------------------------------------------------------------------------------ names and numbers
def choice(argument: str, value: object, table: Collection[str]) -> str:
    """`value` if it is one of the names in `table`."""
    if not isinstance(value, str):
        raise TypeError(f"{argument} must be a string, got {type(value).__name__}")
    if value in table:
        return str(value)
    message = f"{argument} must be one of {', '.join(map(repr, table))}; got {value!r:.60}"
    plain = value[:60].strip().lower().replace("-", "_").replace(" ", "_")
    close = difflib.get_close_matches(plain, table, n=1)
    raise ValueError(f"{message}; did you mean {close[0]!r}?" if close else message)


def integer(argument: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as an int with low <= value, and value < high where `high` is given."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument} must be an integer, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{argument} must be an integer, got {type(value).__name__}") from None
    if number < low or (high is not None and number >= high):
        upper = "" if high is None else f" and < {high}"
        raise ValueError(f"{argument} must be >= {low}{upper}, got {number}")
    return number


def positive_int(argument: str, value: object) -> int:
    """`value` as an int >= 1; bools and floats are refused."""
    return integer(argument, value, 1)


def non_negative_int(argument: str, value: object) -> int:
    """`value` as an int >= 0; bools and floats are refused."""
    return integer(argument, value, 0)


def finite_real(argument: str, value: object) -> float:
    """`value` as a finite float."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{argument} must be a real number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{argument} must be finite, got {number}")
    return number


def positive_real(argument: str, value: object) -> float:
    """`value` as a finite float > 0."""
    number = finite_real(argument, value)
    if number <= 0:
        raise ValueError(f"{argument} must be > 0, got {number}")
    return number


def non_negative_real(argument: str, value: object) -> float:
    """`value` as a finite float >= 0."""
    number = finite_real(argument, value)
    if number < 0:
        raise ValueError(f"{argument} must be >= 0, got {number}")
    return number


def fraction(argument: str, value: object) -> float:
    """`value` as a float with 0 <= value < 1."""
    number = finite_real(argument, value)
    if not 0 <= number < 1:
        raise ValueError(f"{argument} must be >= 0 and < 1, got {number}")
    return number


def boolean(argument: str, value: object) -> bool:
    """`value` if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument} must be True or False, got {type(value).__name__}")
    return bool(value)


def activation(name: object, alpha: object = None) -> float:
    """The parameter `alpha` that the activation `name` will use; 0.0 where it has none."""
    known = choice("activation", name, ACTIVATIONS)
    if alpha is None:
        return _ALPHAS.get(known, 0.0)
    if known not in _ALPHAS:
        raise ValueError(f"alpha is not a parameter of {known!r}, got {alpha!r}")
    return alpha_of(known, "alpha", alpha)


def alpha_of(kind: str, argument: str, value: object) -> float:
    """`value` as the parameter of the activation `kind`."""
    return positive_real(argument, value) if kind == "celu" else non_negative_real(argument, value)


def float_dtype(argument: str, value: object) -> np.dtype[Any]:
    """The native numpy dtype float32 or float64 that `value` (a name, a type, a dtype) means."""
    try:
        found = None if value is None else np.dtype(value)  # type: ignore[call-overload]
    except TypeError:
        found = None
    if found is None or found.kind != "f" or found.itemsize not in (4, 8):
        message = f"{argument} must be 'float32' or 'float64', got {value!r}"
        raise ValueError(message) if isinstance(value, str) else TypeError(message)
    return np.dtype(f"f{found.itemsize}")


# ----------------------------------------------------------------------------------------- arrays
def _as_array(argument: str, a: object) -> Array:
    if type(a) is not np.ndarray and isinstance(a, np.ma.MaskedArray):
        raise TypeError(f"{argument} must be a plain array, got a masked array; fill it first")
    try:
        return np.asarray(a)
    except ValueError as error:  # ragged nested lists
        raise ValueError(f"{argument} cannot be made into an array: {error}") from None


def _check_shape(argument: str, got: tuple[int, ...], expected: Sequence[int | None]) -> None:
    fits = len(got) == len(expected) and all(
        e is None or e == g for e, g in zip(expected, got, strict=True)
    )
    if not fits:
        names = ["any" if e is None else str(e) for e in expected]
        text = f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"
        raise ValueError(f"{argument} must have shape {text}, got {got}")


def real_array(
    argument: str,
    a: object,
    *,
    ndim: int | None = None,
    shape: Sequence[int | None] | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Array:
    """`a` as a C-contiguous, aligned float32 or float64 array in native byte order.

    Without `dtype`, `a` must be float32 or float64 already (of any byte order and strides). With
    `dtype`, booleans, integers and floats of any size are converted to it, and values that would
    overflow to infinity are refused. None in `shape` stands for any length. The result may be
    `a` itself: copy before writing.
    """
    array = _as_array(argument, a)
    if dtype is None:
        if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
            raise TypeError(f"{argument} must be float32 or float64, got dtype {array.dtype}")
        target = np.dtype(f"f{array.dtype.itemsize}")
    else:
        if array.dtype.kind not in "buif":
            raise TypeError(f"{argument} must hold real numbers, got dtype {array.dtype}")
        target = np.dtype(dtype)
    if ndim is not None and array.ndim != ndim:
        wanted = f"{ndim} dimension{'' if ndim == 1 else 's'}"
        raise ValueError(f"{argument} must have {wanted}, got shape {array.shape}")
    if shape is not None:
        _check_shape(argument, array.shape, shape)
    if array.dtype == target and array.flags.carray and type(array) is np.ndarray:
        return array  # np.require and errstate would cost three microseconds more
    try:
        with np.errstate(over="raise"):
            return np.require(array, target, ["C_CONTIGUOUS", "ALIGNED"])
    except FloatingPointError:
        raise ValueError(f"{argument} has values too large for {target}") from None


def same_dtype(**arrays: Array | None) -> np.dtype[Any]:
    """The one dtype of all the arrays given (None is passed over); TypeError if they differ."""
    given = [(name, a.dtype) for name, a in arrays.items() if a is not None]
    first, expected = given[0]
    for name, dtype in given[1:]:
        if dtype != expected:
            raise TypeError(f"{name} must have the dtype of {first}, {expected}; got dtype {dtype}")
    return expected


def labels(argument: str, t: object, n: int, n_classes: int) -> npt.NDArray[np.int64]:
    """An own int64 copy (n,) of integer or boolean class labels, each 0 <= label < n_classes.

    A copy, checked after copying: no other thread can move a label out of range afterwards.
    """
    array = _as_array(argument, t)
    if array.dtype.kind not in "bui":
        raise TypeError(f"{argument} must be integer labels, got dtype {array.dtype}")
    _check_shape(argument, array.shape, (n,))
    own = array.astype(np.uint8) if array.dtype.kind == "b" else array.copy()
    bad = (own < 0) | (own >= n_classes)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{argument} has label {int(own[row])} at row {row}; expected 0 <= label < {n_classes}"
        )
    return np.ascontiguousarray(own, dtype=np.int64)


def sample_weight(argument: str, w: object, n: int, dtype: npt.DTypeLike) -> Array:
    """Weights (n,) of the samples, converted to `dtype`: finite and >= 0."""
    array = real_array(argument, w, shape=(n,), dtype=dtype)
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{argument} must be finite and >= 0, got {float(array[row])} at row {row}"
        )
    return array


# ------------------------------------------------------------- the arguments of one call, together
def rows_of(argument: str, a: object) -> Array:
    """`a` as an array of rows along its last axis."""
    array = real_array(argument, a)
    if array.ndim == 0:
        raise ValueError(f"{argument} must have at least 1 dimension, got shape ()")
    return array


def activation_arrays(x: object, *, y: object = None, dy: object = None) -> tuple[Array, ...]:
    """(x,) of activation_forward, or (x, y, dy) of activation_backward: one shape, one dtype."""
    first = rows_of("x", x)
    if y is None and dy is None:
        return (first,)
    arrays = {name: real_array(name, a, shape=first.shape) for name, a in (("y", y), ("dy", dy))}
    same_dtype(x=first, **arrays)
    return (first, arrays["y"], arrays["dy"])


def input_rows(argument: str, a: object, columns: int) -> Array:
    """`a` as it is, an (n, columns) array of one of ELEMENTS."""
    array = _as_array(argument, a)
    if array.dtype not in ELEMENTS:
        names = ", ".join(dtype.name for dtype in ELEMENTS)
        raise TypeError(f"{argument} must be one of {names}; got dtype {array.dtype}")
    _check_shape(argument, array.shape, (None, columns))
    return array


def dense_forward_arrays(x: object, w: object, b: object) -> tuple[Array, Array, Array | None]:
    """(x, w, b) of dense_forward: (n, n_in), (n_in, n_out), (n_out,) or None, one dtype."""
    rows = real_array("x", x, ndim=2)
    weight = real_array("w", w, shape=(rows.shape[1], None))
    bias = None if b is None else real_array("b", b, shape=(weight.shape[1],))
    same_dtype(x=rows, w=weight, b=bias)
    return rows, weight, bias


def dense_backward_arrays(
    activation: str, x: object, w: object, y: object, dy: object, z: object
) -> tuple[Array, Array, Array, Array, Array | None]:
    """(x, w, y, dy, z) of dense_backward: y, dy and z (n, n_out), one dtype; z or None."""
    rows, weight, _ = dense_forward_arrays(x, w, None)
    shape = (rows.shape[0], weight.shape[1])
    output = real_array("y", y, shape=shape)
    gradient = real_array("dy", dy, shape=shape)
    before = None if z is None else real_array("z", z, shape=shape)
    if before is None and activation in NEED_INPUT:
        raise ValueError(f"z, what {activation!r} is applied to, is needed for its derivative")
    same_dtype(x=rows, w=weight, y=output, dy=gradient, z=before)
    return rows, weight, output, gradient, before


def loss_arrays(
    loss: "Loss", y: object, t: object, weight: object
) -> tuple[Array, Array, Array | None]:
    """(y, t, sample_weight) of the loss functions.

    y (n, n_out) with n_out >= 1; t int64 labels (n,), or of the shape and dtype of y, whichever the
    loss takes; sample_weight (n,) of the dtype of y, or None.
    """
    output = real_array("y", y, ndim=2)
    n, n_out = output.shape
    if n_out == 0:
        raise ValueError(f"y must have at least 1 column, got shape {output.shape}")
    loss.check_columns(n_out)
    target = _as_array("t", t)
    if loss.has_labels(target.ndim):
        target = labels("t", target, n, n_out)
    else:
        target = real_array("t", target, shape=output.shape)
        same_dtype(y=output, t=target)
    if weight is None:
        return output, target, None
    own = real_array("sample_weight", weight)
    same_dtype(y=output, sample_weight=own)
    return output, target, sample_weight("sample_weight", own, n, output.dtype)


def square(argument: str, a: object) -> Array:
    """`a` as a real array (n, n)."""
    matrix = real_array(argument, a, ndim=2)
    _check_shape(argument, matrix.shape, (matrix.shape[0],) * 2)
    return matrix


def equations(a: object, b: object) -> tuple[Array, Array]:
    """(a, b) of a x = b: (n, n) and (n,), one dtype."""
    matrix = square("a", a)
    right = real_array("b", b, shape=matrix.shape[:1])
    same_dtype(a=matrix, b=right)
    return matrix, right


def positive_definite(result: Array | None) -> Array:
    """What a factorisation has given, None where it has failed."""
    if result is None:
        raise ValueError("a must be positive definite, and is not within its dtype's precision")
    return result


def step_arrays(n_states: int, w: object, g: object, state: Sequence[object]) -> tuple[Array, ...]:
    """(w, g, *state) of an optimizer step: any one shape, one dtype."""
    if len(state) != n_states:
        raise ValueError(f"state must be {n_states} arrays, got {len(state)}")
    first = real_array("w", w)
    others = {"g": g, **{f"state[{i}]": a for i, a in enumerate(state)}}
    checked = {name: real_array(name, a, shape=first.shape) for name, a in others.items()}
    same_dtype(w=first, **checked)
    return first, *checked.values()


def random_arguments(
    n: object, words: int, seed: object, purpose: object, layer: object, step: object
) -> tuple[int, int, int, int, int]:
    """(n, seed, purpose number, layer, step) of a random function using `words` words an element.

    seed and step have 64 bits, layer 24; n * words may not pass the 2^34 words of a stream.
    """
    return (
        integer("n", n, 0, _STREAM_WORDS // words + 1),
        integer("seed", seed, 0, 1 << 64),
        PURPOSES[choice("purpose", purpose, PURPOSES)],
        integer("layer", layer, 0, 1 << 24),
        integer("step", step, 0, 1 << 64),
    )
