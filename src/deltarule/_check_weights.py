"""Argument checks of what weights cost and are held to, of gradients that are clipped, and of
slopes that are learnt; see _check.py."""

from collections.abc import Mapping

from ._check import (
    Array,
    choice,
    finite_real,
    non_negative_real,
    positive_real,
    real_array,
    same_dtype,
)

# The position of a name is its number in C (dr_constraint of deltarule.h).
CONSTRAINTS = ("max_norm", "non_negative")
# The same, of dr_clip_kind, which begins with none.
CLIPS = ("clipvalue", "clipnorm", "global_clipnorm")


def penalty(l1: object, l2: object) -> tuple[float, float]:
    """The rates of a penalty, finite and >= 0."""
    return non_negative_real("l1", l1), non_negative_real("l2", l2)


def gradient_arrays(w: object, g: object) -> tuple[Array, Array]:
    """Weights and a gradient of any shape, the same, and of one dtype."""
    weights = real_array("w", w)
    gradient = real_array("g", g, shape=weights.shape)
    same_dtype(w=weights, g=gradient)
    return weights, gradient


def average(w: object, values: object, share: object) -> tuple[Array, Array, float]:
    """Weights and their average, of one shape and dtype, and a share in [0, 1]."""
    weights = real_array("w", w)
    checked = real_array("average", values, shape=weights.shape)
    same_dtype(w=weights, average=checked)
    part = non_negative_real("share", share)
    if part > 1:
        raise ValueError(f"share must be at most 1, got {part}")
    return weights, checked, part


def clip(*values: object) -> dict[str, float]:
    """The one of CLIPS that is given, with its limit; {} where none is."""
    given = zip(CLIPS, values, strict=True)
    found = {name: positive_real(name, value) for name, value in given if value is not None}
    if len(found) > 1:
        got = " and ".join(f"{name}={limit}" for name, limit in found.items())
        raise ValueError(f"{', '.join(CLIPS)}: at most one may be given, got {got}")
    return found


def gradients(given: object) -> dict[str, Array]:
    """Vectors and matrices of one dtype, by their names."""
    if not isinstance(given, Mapping):
        raise TypeError(f"gradients must be a dict of arrays, got {type(given).__name__}")
    arrays = {}
    for key, value in given.items():
        what = f"gradients[{key!r}]"
        arrays[key] = real_array(what, value)
        if arrays[key].ndim not in (1, 2):
            raise ValueError(f"{what} must be (n,) or (n_in, n_out), got shape {arrays[key].shape}")
    if arrays:
        same_dtype(**{f"gradients[{key!r}]": g for key, g in arrays.items()})
    return arrays


def constraint(name: object, max_value: object = None) -> float:
    """The limit that the constraint `name` will use; 0.0 where it has none."""
    known = choice("constraint", name, CONSTRAINTS)
    if known != "max_norm":
        if max_value is not None:
            raise ValueError(f"max_value is not a parameter of {known!r}, got {max_value!r}")
        return 0.0
    limit = 2.0 if max_value is None else finite_real("max_value", max_value)
    if limit < 1e-10:  # squares of much smaller numbers vanish
        raise ValueError(f"max_value must be >= 1e-10, got {limit}")
    return limit


def prelu_arrays(x: object, slope: object, *dy: object) -> tuple[Array, ...]:
    """(x, slope) of prelu_forward, or (x, slope, dy): (n, n_out), (1,) or (n_out,), (n, n_out)."""
    rows = real_array("x", x, ndim=2)
    slopes = real_array("slope", slope, ndim=1)
    if slopes.shape[0] not in (1, rows.shape[1]):
        raise ValueError(
            f"slope must have shape (1,) or ({rows.shape[1]},), got {slopes.shape}"
        )
    errors = [real_array("dy", one, shape=rows.shape) for one in dy]
    same_dtype(x=rows, slope=slopes, dy=errors[0] if errors else None)
    return rows, slopes, *errors
