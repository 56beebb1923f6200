"""Orthogonal columns: orthonormal, spread evenly, and those of a QR decomposition."""

import numpy as np
import pytest

from deltarule.reference.orthogonal import orthogonal


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 3), (40, 40), (100, 7)])
def test_orthonormal(shape):
    rows, cols = shape
    q = orthogonal(np.random.default_rng(0).normal(size=(cols, rows)))
    assert q.shape == shape
    np.testing.assert_allclose(q.T @ q, np.eye(cols), rtol=0, atol=1e-14)


def test_first_column_points_where_the_numbers_do():
    v = np.random.default_rng(0).normal(size=(3, 7))
    np.testing.assert_allclose(orthogonal(v)[:, 0], v[0] / np.linalg.norm(v[0]), atol=1e-15)


def test_it_is_a_qr_decomposition():
    """Of the matrix that q and some R with a diagonal > 0 make."""
    rng = np.random.default_rng(1)
    v = rng.normal(size=(4, 6))
    q = orthogonal(v)
    r = np.triu(rng.normal(size=(4, 4)), 1) + np.diag(np.linalg.norm(v, axis=1))
    found, upper = np.linalg.qr(q @ r)
    np.testing.assert_allclose(found * np.sign(np.diag(upper)), q, atol=1e-14)


def test_spread_evenly():
    """Of Haar's measure: elements have mean 0 and variance 1/n, a trace has variance 1. Without the
    signs, traces would have another mean."""
    rng = np.random.default_rng(2)
    qs = np.array([orthogonal(rng.normal(size=(4, 4))) for _ in range(4000)])
    n = len(qs)
    assert np.abs(qs.mean(axis=0)).max() < 5 * np.sqrt(1 / 4 / n)
    assert np.abs((qs**2).mean(axis=0) - 1 / 4).max() < 5 * np.sqrt(1 / 16 / n)
    traces = np.trace(qs, axis1=1, axis2=2)
    assert abs(traces.mean()) < 5 / np.sqrt(n) and abs(traces.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs(np.linalg.det(qs).mean()) < 5 / np.sqrt(n)
