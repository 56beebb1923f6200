"""Orthogonal columns: the bits of the reference, on any number of threads."""

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule.reference.orthogonal import orthogonal

from .guard import Guard, refuse_bad_buffers

SHAPES = [(n, m) for n in (1, 2, 3, 15, 16, 17, 33, 64, 130) for m in (1, 2, 15, 16, 17, 31, 33, 64)
          if m <= n]  # fmt: skip


def fast(v):
    q = np.empty(v.shape[::-1])
    _fast.orthogonal(v.copy(), q, *q.shape)
    return q


def numbers(rows, cols):
    return np.random.default_rng(rows * 1000 + cols).normal(size=(cols, rows))


def test_same_bits():
    for shape in SHAPES:
        v = numbers(*shape)
        assert fast(v).tobytes() == orthogonal(v).tobytes(), shape


def test_any_number_of_threads():
    v = numbers(130, 100)
    expected = fast(v).tobytes()
    try:
        for n in (1, 2, 3, 8):
            dr.set_num_threads(n, exact=True)
            assert fast(v).tobytes() == expected, n
            assert _fast.last_team() == n
    finally:
        dr.set_num_threads(None)


def test_nothing_to_reflect():
    """A vector of zeros has no direction: it is left alone."""
    for v in (np.zeros((1, 1)), np.zeros((2, 3)), np.diag([0.0, -1.0, 1.0])):
        assert fast(v).tobytes() == orthogonal(v).tobytes()
        np.testing.assert_allclose(fast(v).T @ fast(v), np.eye(len(v)), atol=1e-15)


def test_guarded():
    for shape in SHAPES:
        guard, v = Guard(), numbers(*shape)
        own = guard.output("float64", *v.shape, start=v)
        q = guard.output("float64", *shape)
        _fast.orthogonal(own, q, *shape)
        guard.check(shape)
        assert q.tobytes() == fast(v).tobytes()


def test_bad_buffers():
    v, q = numbers(5, 3), np.ones((5, 3))
    refuse_bad_buffers(
        lambda v, q: _fast.orthogonal(v, q, 5, 3), (), {}, {"v": v, "q": q}
    )
    with pytest.raises(ValueError, match="5 columns of 3 rows cannot be orthogonal"):
        _fast.orthogonal(v, q, 3, 5)
