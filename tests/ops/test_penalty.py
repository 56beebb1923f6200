"""Penalties of weights: fast against reference."""

import hashlib

import numpy as np
import pytest

from deltarule import _fast, ops, reference

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, normal

RATES = [{"l1": 0.3}, {"l2": 0.07}, {"l1": 0.01, "l2": 2.0}, {}]
rates = pytest.mark.parametrize("rates", RATES, ids=["l1", "l2", "both", "none"])
SIZES = [*LENGTHS, 127, 128, 129, 1000]
SHAPES = [(n, m) for n in LENGTHS for m in (0, 1, 15, 16, 17, 31, 33, 65)] + [(130, 257)]


def _weights(dtype, *shape):
    """Some of them 0, where |w| has a kink."""
    w = normal(dtype, *shape, salt="w")
    w.reshape(-1)[::7] = 0
    return w


@rates
def test_forward_against_reference(isa, dtype, rates):
    for shape in SHAPES:
        w = _weights(dtype, *shape)
        got = ops.penalty_forward(w, **rates)
        exact = reference.penalty_forward(w.astype("f8"), **rates)
        # sums of 16 partials of each tile, of at most 1024 numbers that are all >= 0
        assert abs(got - exact) <= (64 + 8) * bounds.eps(dtype) * exact, shape
        assert (exact > 0) == (bool(rates) and bool(w.any()))


@rates
def test_backward_against_reference(isa, dtype, rates):
    for size in SIZES:
        w, g = _weights(dtype, size), normal(dtype, size, salt="g")
        got = ops.penalty_backward(w, g, **rates)
        assert got.dtype == w.dtype
        exact = reference.penalty_backward(w.astype("f8"), g.astype("f8"), **rates)
        scale = np.abs(g) + rates.get("l1", 0) + 2 * rates.get("l2", 0) * np.abs(w)
        bounds.assert_close(got, exact, 2 * bounds.eps(dtype) * scale.astype("f8"), size)


def test_zero_stays(isa, dtype):
    """The sign of 0 is 0: without a gradient, a weight of 0 keeps its place."""
    w, g = np.array([0.0, -0.0, 2, -2], dtype), np.zeros(4, dtype)
    for run in (ops, reference):
        assert run.penalty_backward(w, g, l1=0.5).tolist() == [0, 0, 0.5, -0.5]
        assert run.penalty_backward(w, g, l2=0.5).tolist() == [0, 0, 2, -2]


def test_shapes_and_inputs(isa, dtype):
    """Any shape of a gradient; inputs are left alone, of any layout."""
    w, g = _weights(dtype, 7, 11), normal(dtype, 7, 11, salt="g")
    expected = ops.penalty_backward(w.reshape(-1), g.reshape(-1), l1=0.1, l2=0.2)
    arrays = [np.repeat(a, 2, axis=0)[::2].copy(order="F") for a in (w, g)]
    for a in arrays:
        a.flags.writeable = False
    got = ops.penalty_backward(*arrays, l1=0.1, l2=0.2)
    assert got.shape == (7, 11) and got.tobytes() == expected.tobytes()
    assert ops.penalty_forward(arrays[0], l1=0.1) == ops.penalty_forward(w, l1=0.1)


def test_special_values(isa, dtype):
    values = special.values(dtype)
    for given in RATES:
        with np.errstate(all="ignore"):
            for g in (values, np.ones_like(values)):
                got, expected = (run.penalty_backward(values, g, **given)
                                 for run in (ops, reference))
                special.assert_same_kinds(got, expected, given)
            for w in values:
                got, expected = (run.penalty_forward(np.full((3, 5), w), **given)
                                 for run in (ops, reference))
                special.assert_same_kinds(*np.array([[got], [expected]], dtype), (given, w))


@rates
def test_guarded(isa, dtype, rates):
    given = (rates.get("l1", 0.0), rates.get("l2", 0.0))
    for size in SIZES:
        w, g = _weights(dtype, size), normal(dtype, size, salt="g")
        guard = Guard()
        out = guard.output(dtype, size, start=g)
        _fast.penalty_backward(dtype, *given, size, guard.input(w), out)
        value = _fast.penalty_forward(dtype, *given, size, 1, guard.input(w))
        guard.check(size)
        assert out.tobytes() == ops.penalty_backward(w, g, **rates).tobytes(), size
        assert value == ops.penalty_forward(w[:, None], **rates), size


def test_bad_buffers(isa, dtype):
    w, g = normal(dtype, 5, salt="w"), normal(dtype, 5, salt="g")
    refuse_bad_buffers(_fast.penalty_backward, (dtype, 0.1, 0.1, 5), {"w": w}, {"g": g})
    refuse_bad_buffers(_fast.penalty_forward, (dtype, 0.1, 0.1, 5, 1), {"w": w}, {})


def test_same_bits(dtype, bits_on_every_isa):
    def run():
        for shape in SHAPES:
            w, g = _weights(dtype, *shape), normal(dtype, *shape, salt="g")
            value = ops.penalty_forward(w, l1=0.3, l2=0.7)
            gradient = ops.penalty_backward(w, g, l1=0.3, l2=0.7)
            yield hashlib.sha256(gradient.tobytes() + np.float64(value).tobytes()).digest()

    bits_on_every_isa(run, SHAPES)
