"""Argument checks of what weights cost and of slopes that are learnt; see _check.py."""

from ._check import Array, non_negative_real, real_array, same_dtype


def penalty(l1: object, l2: object) -> tuple[float, float]:
    """The rates of a penalty, finite and >= 0."""
    return non_negative_real("l1", l1), non_negative_real("l2", l2)


def prelu_arrays(x: object, slope: object, dy: object = None) -> tuple[Array, ...]:
    """(x, slope) of prelu_forward, or (x, slope, dy): (n, n_out), (1,) or (n_out,), (n, n_out)."""
    rows = real_array("x", x, ndim=2)
    slopes = real_array("slope", slope, ndim=1)
    if slopes.shape[0] not in (1, rows.shape[1]):
        raise ValueError(
            f"slope must have shape (1,) or ({rows.shape[1]},), got {slopes.shape}"
        )
    if dy is None:
        same_dtype(x=rows, slope=slopes)
        return rows, slopes
    error = real_array("dy", dy, shape=rows.shape)
    same_dtype(x=rows, slope=slopes, dy=error)
    return rows, slopes, error
