"""PReLU: fast against reference."""

import hashlib

import numpy as np
import pytest

from deltarule import _fast, ops, reference

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import normal, rectangles

SIZES = [*rectangles(), (127, 33), (129, 130)]
shared_or_not = pytest.mark.parametrize("shared", [True, False], ids=["one", "each"])


def _arrays(dtype, n, n_out, shared):
    """x with some zeros, slopes of either sign, errors of which some are about to vanish."""
    x, dy = normal(dtype, n, n_out, salt="x"), normal(dtype, n, n_out, salt="dy")
    x.reshape(-1)[::7] = 0
    dy.reshape(-1)[::5] *= bounds.tiny(dtype)
    return x, normal(dtype, 1 if shared else n_out, salt="slope"), dy


@shared_or_not
def test_against_reference(isa, dtype, shared):
    eps, tiny = bounds.eps(dtype), bounds.tiny(dtype)
    for n, n_out in SIZES:
        x, slope, dy = _arrays(dtype, n, n_out, shared)
        wide = [a.astype("f8") for a in (x, slope, dy)]
        y = ops.prelu_forward(x, slope)
        exact = reference.prelu_forward(*wide[:2])
        bounds.assert_close(y, exact, eps * np.abs(exact), (n, n_out))
        dx, dslope = ops.prelu_backward(x, slope, dy)
        exact_dx, exact_slope = reference.prelu_backward(*wide)
        bounds.assert_close(dx, exact_dx, eps * np.abs(exact_dx) + tiny, (n, n_out))
        size = np.where(x > 0, 0, np.abs(wide[0] * wide[2]))
        size = size.sum(axis=None if shared and n_out != 1 else 0).reshape(slope.shape)
        bounds.assert_close(dslope, exact_slope, bounds.products(dtype, n, size), (n, n_out))
        assert y.dtype == dx.dtype == dslope.dtype == x.dtype


def test_at_the_kink(isa, dtype):
    """At 0 the derivative is that of the negative side."""
    x, dy = np.array([[0.0, -0.0, 1, -1]], dtype), np.ones((1, 4), dtype)
    slope = np.array([0.5], dtype)
    for run in (ops, reference):
        assert run.prelu_forward(x, slope).tolist() == [[0, 0, 1, -0.5]]
        dx, dslope = run.prelu_backward(x, slope, dy)
        assert dx.tolist() == [[0.5, 0.5, 1, 0.5]] and dslope.tolist() == [-1]


def test_flush(isa, dtype):
    tiny = bounds.tiny(dtype)
    dy = np.array([[tiny, 2 * tiny, -tiny, -tiny / 2]], dtype)
    x, slope = np.array([[-1, -1, 1, 1]], dtype), np.array([0.5], dtype)
    for run in (ops, reference):
        dx = run.prelu_backward(x, slope, dy)[0]
        assert dx.tolist() == [[0, tiny, -tiny, 0]] and not np.signbit(dx[0, 3])


@shared_or_not
def test_special_values(isa, dtype, shared):
    values = special.values(dtype)
    x, dy = (a.reshape(1, -1) for a in np.meshgrid(values, values))
    for s in (0.25, 0.0, -1.5):
        slope = np.full(1 if shared else x.size, s, dtype)
        with np.errstate(all="ignore"):
            y, expected = (run.prelu_forward(x, slope) for run in (ops, reference))
            special.assert_same_kinds(y, expected, s)
            got, expected = (run.prelu_backward(x, slope, dy) for run in (ops, reference))
        special.assert_same_kinds(got[0], expected[0], s)
        # an FMA may leave -0 of what is too small for it, a product and a sum +0
        special.assert_same_kinds(got[1] + 0, expected[1] + 0, s)


@shared_or_not
def test_layouts(isa, dtype, shared):
    """Inputs of any layout are left alone."""
    arrays = _arrays(dtype, 7, 11, shared)
    expected = ops.prelu_backward(*arrays)
    strided = [np.repeat(a, 2, axis=0)[::2].copy(order="F") for a in arrays]
    for a in strided:
        a.flags.writeable = False
    got = ops.prelu_backward(*strided)
    assert [a.tobytes() for a in got] == [a.tobytes() for a in expected]
    assert ops.prelu_forward(*strided[:2]).tobytes() == ops.prelu_forward(*arrays[:2]).tobytes()


@shared_or_not
def test_guarded(isa, dtype, shared):
    for n, n_out in SIZES:
        x, slope, dy = _arrays(dtype, n, n_out, shared)
        guard = Guard()
        given = (guard.input(x), guard.input(slope))
        y, dx = guard.output(dtype, n, n_out), guard.output(dtype, n, n_out)
        dslope = guard.output(dtype, slope.size)
        _fast.prelu_forward(dtype, shared, n, n_out, *given, y)
        _fast.prelu_backward(dtype, shared, n, n_out, *given, guard.input(dy), dx, dslope)
        guard.check((n, n_out))
        expected = (ops.prelu_forward(x, slope), *ops.prelu_backward(x, slope, dy))
        got = [a.tobytes() for a in (y, dx, dslope)]
        assert got == [a.tobytes() for a in expected], (n, n_out)


def test_bad_buffers(isa, dtype):
    x, slope, dy = _arrays(dtype, 3, 5, False)
    y, dslope = np.empty_like(x), np.empty_like(slope)
    head = (dtype, False, 3, 5)
    refuse_bad_buffers(_fast.prelu_forward, head, {"x": x, "slope": slope}, {"y": y})
    inputs = {"x": x, "slope": slope, "dy": dy}
    refuse_bad_buffers(_fast.prelu_backward, head, inputs, {"dx": y, "dslope": dslope})


@shared_or_not
def test_same_bits(dtype, shared, bits_on_every_isa):
    def run():
        for n, n_out in SIZES:
            x, slope, dy = _arrays(dtype, n, n_out, shared)
            results = (ops.prelu_forward(x, slope), *ops.prelu_backward(x, slope, dy))
            yield hashlib.sha256(b"".join(a.tobytes() for a in results)).digest()

    bits_on_every_isa(run, SIZES)
