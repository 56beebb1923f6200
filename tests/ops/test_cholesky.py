"""Cholesky's factor, fast: backward errors, bits, threads, and what is not positive definite."""

import hashlib

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast, ops, reference

from . import bounds
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, normal

SIZES = [*LENGTHS, 95, 96, 97, 127, 128, 129, 200]


def _equations(dtype, n):
    """A positive definite matrix; below its diagonal, which nobody reads, NaN."""
    g = normal(dtype, n + 3, n, salt="g").astype(np.float64)
    a = g.T @ g / max(n, 1) + np.diag(np.linspace(0.01, 1, n))
    a[np.tril_indices(n, -1)] = np.nan
    return a.astype(dtype), normal(dtype, n, salt="b")


def _whole(a):
    upper = np.triu(a)
    return upper + np.triu(a, 1).T


def _wide(*arrays):
    return tuple(a.astype(np.longdouble) for a in arrays)


def test_factor(isa, dtype):
    """r^T r is a, each element within what its sum may lose (Higham, 2002, theorem 10.3)."""
    for n in SIZES:
        a, _ = _equations(dtype, n)
        r = ops.cholesky(a)
        assert r.dtype == a.dtype and r.shape == a.shape and r.flags.c_contiguous
        assert not np.tril(r, -1).any() and (np.diag(r) > 0).all(), n
        exact, size = _wide(r, np.abs(r))
        upper = np.triu_indices(n)
        got, bound = (exact.T @ exact)[upper], (n + 2) * bounds.eps(dtype) * (size.T @ size)[upper]
        bounds.assert_close(np.float64(got - a[upper]), np.zeros(len(got)), np.float64(bound), n)


def test_solution(isa, dtype):
    """x solves a system within the errors of r and two substitutions of a (theorem 10.4)."""
    for n in SIZES:
        a, b = _equations(dtype, n)
        x, r = ops.cholesky_solve(a, b), ops.cholesky(a)
        assert x.dtype == b.dtype and x.shape == b.shape
        matrix, solution, right, size = _wide(_whole(a), x, b, np.abs(r))
        bound = (3 * n + 4) * bounds.eps(dtype) * (size.T @ (size @ np.abs(solution)))
        got = matrix @ solution - right
        bounds.assert_close(np.float64(got), np.zeros(n), np.float64(bound), n)


def test_against_reference(isa, dtype):
    """Element by element where the matrix is far from singular."""
    for n in SIZES:
        a, b = _equations(dtype, n)
        a[np.diag_indices(n)] += 4
        for got, slow in (
            (ops.cholesky(a), reference.cholesky(a)),
            (ops.cholesky_solve(a, b), reference.cholesky_solve(a, b)),
        ):
            assert got.shape == slow.shape and got.dtype == slow.dtype
            np.testing.assert_allclose(got, slow, rtol=0, atol=(n + 9) * bounds.eps(dtype))


def _digest(n, dtype):
    a, b = _equations(dtype, n)
    return hashlib.sha256(ops.cholesky(a).tobytes() + ops.cholesky_solve(a, b).tobytes()).digest()


def test_bits_on_every_isa(dtype, bits_on_every_isa):
    bits_on_every_isa(lambda: (_digest(n, dtype) for n in SIZES), SIZES)


def test_bits_with_any_number_of_threads(isa, dtype):
    sizes = [1, 16, 17, 33, 97, 200, 333]
    digests = []
    try:
        for threads in (1, 2, 3, 8):
            dr.set_num_threads(threads, exact=True)
            digests.append([_digest(n, dtype) for n in sizes])
            assert _fast.last_team() == threads
    finally:
        dr.set_num_threads(None)
    assert all(d == digests[0] for d in digests)


def test_guarded(isa, dtype):
    for n in SIZES[1:]:
        guard = Guard()
        a, b = (guard.input(v) for v in _equations(dtype, n))
        r, x = guard.output(dtype, n, n), guard.output(dtype, n)
        assert _fast.cholesky(dtype, n, a, b, r, x)
        guard.check(n)
        assert r.tobytes() == ops.cholesky(a).tobytes()
        assert x.tobytes() == ops.cholesky_solve(a, b).tobytes()


def test_bad_buffers(dtype):
    a, b = _equations(dtype, 7)
    refuse_bad_buffers(
        _fast.cholesky, (dtype, 7), {"a": np.nan_to_num(a), "b": b},
        {"r": np.zeros_like(a), "x": np.zeros_like(b)},
    )


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 6, 15, 16, 20, 31, 32, 39])
def test_what_is_not_positive_definite(isa, dtype, row, value):
    a, b = _equations(dtype, 40)
    a[row, row] = value
    guard = Guard()
    r, x = guard.output(dtype, 40, 40, start=7.0), guard.output(dtype, 40, start=7.0)
    assert not _fast.cholesky(dtype, 40, a, b, r, x)
    guard.check()
    assert (r == 7).all() and (x == 7).all(), "nothing is written"
    for module in (ops, reference):
        with pytest.raises(ValueError, match="a must be positive definite"):
            module.cholesky(a)
        with pytest.raises(ValueError, match="a must be positive definite"):
            module.cholesky_solve(a, b)


def test_what_does_not_fit(isa, dtype):
    a, b = _equations(dtype, 5)
    for module in (ops, reference):
        for call, error, text in (
            (lambda m: m.cholesky(a[:4]), ValueError, r"a must have shape \(4, 4\), got \(4, 5\)"),
            (lambda m: m.cholesky(b), ValueError, "a must have 2 dimensions"),
            (lambda m: m.cholesky(np.ones((5, 5), int)), TypeError, "a must be float32 or float64"),
            (lambda m: m.cholesky_solve(a, b[:4]), ValueError, r"b must have shape \(5,\)"),
            (lambda m: m.cholesky_solve(a, None), TypeError, "b must be float32 or float64"),
            (lambda m: m.cholesky_solve(a, b.astype("f2")), TypeError, "b must be float"),
        ):
            with pytest.raises(error, match=text):
                call(module)
    other = "float64" if dtype == "float32" else "float32"
    for module in (ops, reference):
        with pytest.raises(TypeError, match="b must have the dtype of a"):
            module.cholesky_solve(a, b.astype(other))


def test_inputs_are_left_alone_and_of_any_layout(isa, dtype):
    a, b = _equations(dtype, 37)
    expected = ops.cholesky_solve(a, b)
    strided = np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2].copy(order="F")
    strided.flags.writeable = False
    assert ops.cholesky_solve(strided, np.repeat(b, 2)[::2]).tobytes() == expected.tobytes()
