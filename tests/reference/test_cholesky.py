"""The reference's Cholesky: by hand, and against numpy's."""

import numpy as np
import pytest

from deltarule.reference import cholesky, cholesky_solve


def test_by_hand():
    a = np.array([[4.0, 2, -6], [2, 10, 3], [-6, 3, 14]])
    # r_11 = 2, r_12 = 1, r_13 = -3; r_22 = sqrt(10 - 1) = 3, r_23 = (3 + 3) / 3 = 2;
    # r_33 = sqrt(14 - 9 - 4) = 1
    assert cholesky(a).tolist() == [[2, 1, -3], [0, 3, 2], [0, 0, 1]]
    # a (1, -1, 2)
    assert cholesky_solve(a, np.array([-10.0, -2, 19])).tolist() == [1, -1, 2]


def test_the_lower_triangle_is_not_read():
    a = np.array([[4.0, 2], [np.nan, 10]])
    assert cholesky(a).tolist() == [[2, 1], [0, 3]]


@pytest.mark.parametrize("n", [0, 1, 2, 5, 40])
def test_against_numpy(n):
    g = np.random.default_rng(n).normal(size=(n + 1, n))
    a, b = g.T @ g + np.eye(n), np.arange(n, dtype=float)
    np.testing.assert_allclose(cholesky(a), np.linalg.cholesky(a).T, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(cholesky_solve(a, b), np.linalg.solve(a, b), rtol=1e-10)


@pytest.mark.parametrize("order", ["C", "F"])
def test_new_arrays_of_the_same_dtype(dtype, order):
    a = np.array([[4, 2], [2, 10]], dtype, order=order)
    a.flags.writeable = False
    b = np.ones(2, dtype)
    for result in (cholesky(a), cholesky_solve(a, b)):
        assert result.dtype == dtype and not np.shares_memory(result, a)
    assert b.tolist() == [1, 1]


def test_what_is_not_positive_definite():
    for a in ([[0.0]], [[-1.0]], [[1.0, 1], [1, 1]], [[1.0, 2], [2, 1]], [[np.nan]], [[np.inf]]):
        with pytest.raises(ValueError, match="a must be positive definite"):
            cholesky(np.array(a))
