"""Random orthogonal columns, as a product of Householder's reflections."""

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

_STRIP = 32  # columns of q, which do not depend on each other, that go together: they stay in cache


def orthogonal(v: F64) -> F64:
    """Orthonormal columns q (rows, cols) from independent normal numbers v (cols, rows).

    Householder's QR decomposition of a matrix of normal numbers reflects its first column onto the
    first axis; what is left below is normal again and independent of that. So new numbers will do
    in its place (Stewart, 1980): column k of q is H_0 H_1 ... H_k s_k e_k, where H_k reflects the
    vector x = (v[k, k], v[k, k + 1], ...) onto the axis k, and the sign s_k makes the diagonal of R
    positive, without which q would not be spread evenly (Mezzadri, 2007). With

        u = x + sign(x_0) |x| e_0,   H = 1 - u u^T / (|x| |u_0|)

    there is no difference of numbers that are nearly the same. Sums go from the first row to the
    last one after the other; C does the same and gives the same bits.
    """
    cols, rows = v.shape
    signs = np.where(v.diagonal() < 0, 1.0, -1.0)
    reflections = [_reflection(v[k, k:].copy()) for k in range(cols)]
    q = np.zeros((cols, rows))  # transposed: what is summed lies side by side
    for first in range(0, cols, _STRIP):
        strip = q[first : first + _STRIP]
        end = first + len(strip)
        strip[np.arange(len(strip)), np.arange(first, end)] = signs[first:end]
        for k in reversed(range(end)):
            (u, factor), below = reflections[k], strip[:, k:]
            below -= u * (_sum(u * below) * factor)[:, None]
    return np.ascontiguousarray(q.T)


def _reflection(x: F64) -> tuple[F64, float]:
    """u and 1 / (|x| |u_0|); for x = 0, which has no direction, 0: nothing is reflected."""
    norm = np.sqrt(_sum(x * x))
    x[0] += -norm if x[0] < 0 else norm
    half = float(norm * abs(x[0]))
    return x, 1 / half if half > 0 else 0.0


def _sum(a: F64) -> F64:
    """Along the last axis from the first element on; numpy's own sum goes by halves."""
    total: F64 = np.add.accumulate(a, axis=-1)[..., -1]
    return total
