"""Cholesky's factor of a symmetric positive definite matrix, and the equations it solves."""

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array
from .activation import quiet


def factor(a: Array) -> Array | None:
    """r, upper triangular with positive diagonal and r^T r = a; None if a is not positive definite.

    Row by row (Cholesky, 1910; as in Higham, 2002, algorithm 10.2): a_ij = sum_k<=i r_ki r_kj, so
    when the rows above have been taken out, r_ii^2 is left of a_ii and r_ii r_ij of a_ij.
    """
    left = a.copy()
    r = np.zeros_like(a)
    with quiet():
        for i in range(len(a)):
            pivot = left[i, i]
            if not 0 < pivot < np.inf:
                return None
            r[i, i:] = left[i, i:] / np.sqrt(pivot)
            r[i, i] = np.sqrt(pivot)
            left[i + 1 :, i + 1 :] -= np.outer(r[i, i + 1 :], r[i, i + 1 :])
    return r


def solve(r: Array, b: Array) -> Array:
    """x with r^T r x = b: y = r^-T b from the first row on, x = r^-1 y from the last row back."""
    x = b.copy()
    with quiet():
        for i in range(len(r)):
            x[i] = (x[i] - r[:i, i] @ x[:i]) / r[i, i]
        for i in reversed(range(len(r))):
            x[i] = (x[i] - r[i, i + 1 :] @ x[i + 1 :]) / r[i, i]
    return x


def cholesky(a: npt.ArrayLike) -> Array:
    """The factor r of a = r^T r, upper triangular with a positive diagonal (Cholesky, 1910).

    a (n, n), float32 or float64, symmetric: its upper triangle is read. Returns r (n, n). numpy's
    and PyTorch's functions of this name return its transpose.

    Raises ValueError where a is not square or not positive definite, TypeError for other dtypes.
    """
    a_ = _check.square("a", a)
    return _check.positive_definite(factor(a_))


def cholesky_solve(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    """The solution x of a x = b for a symmetric positive definite a, by its Cholesky factor.

    a (n, n) and b (n,), both float32 or both float64; the upper triangle of a is read. Returns
    x (n,).

    Raises ValueError where shapes do not fit or a is not positive definite, TypeError for other or
    mixed dtypes.
    """
    a_, b_ = _check.equations(a, b)
    return solve(_check.positive_definite(factor(a_)), b_)
