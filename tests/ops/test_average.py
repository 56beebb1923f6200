"""Averages of weights: fast against reference."""

import hashlib

import numpy as np
import pytest

from deltarule import _fast, ops, reference

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, normal

SHARES = (0.0, 0.001, 0.25, 0.5, 0.9, 1.0)
shares = pytest.mark.parametrize("share", SHARES)
SIZES = [*LENGTHS, 127, 128, 129, 1000]


def _arrays(dtype, *shape):
    return normal(dtype, *shape, salt="w"), normal(dtype, *shape, salt="average")


@shares
def test_against_reference(isa, dtype, share):
    for size in SIZES:
        w, old = _arrays(dtype, size)
        got = ops.average_step(w, old, share=share)
        assert got.dtype == w.dtype
        exact = reference.average_step(w.astype("f8"), old.astype("f8"), share=share)
        scale = np.abs(w) + np.abs(old)
        bounds.assert_close(got, exact, 2 * bounds.eps(dtype) * scale.astype("f8"), size)


def test_all_or_nothing(isa, dtype):
    """The whole share is a copy to the last bit, however far the average has been; none is none."""
    w, old = _arrays(dtype, 77)
    for run in (ops, reference):
        assert run.average_step(w, old * 1e9, share=1).tobytes() == w.tobytes()
        assert run.average_step(w * 1e9, old, share=0).tobytes() == old.tobytes()


def test_equal_weights(isa, dtype):
    """Shares 1, 1/2, 1/3, ... give the mean."""
    found = np.zeros(40, dtype)
    drawn = [normal(dtype, 40, salt=str(i)) for i in range(20)]
    for run in (ops, reference):
        for taken, w in enumerate(drawn):
            found = run.average_step(w, found, share=1 / (taken + 1))
        np.testing.assert_allclose(found, np.mean(drawn, axis=0), atol=20 * bounds.eps(dtype))


def test_flush(isa, dtype):
    """State that vanishes, of weights that have become zero, does not become subnormal."""
    tiny = bounds.tiny(dtype)
    w, old = np.zeros(3, dtype), np.array([tiny, tiny * 1.5, -tiny], dtype)
    for run in (ops, reference):
        got = run.average_step(w, old, share=0.25)
        assert got.tolist() == [0, tiny * 1.125, 0] and not np.signbit(got).any()


@shares
def test_special_values(isa, dtype, share):
    values = special.values(dtype)
    for one in (values, np.ones_like(values), np.zeros_like(values)):
        with np.errstate(all="ignore"):
            for pair in ((values, one), (one, values)):
                got, expected = (run.average_step(*pair, share=share) for run in (ops, reference))
                special.assert_same_kinds(got + 0, expected + 0, share)


@shares
def test_guarded(isa, dtype, share):
    for size in SIZES:
        (w, old), guard = _arrays(dtype, size), Guard()
        out = guard.output(dtype, size, start=old)
        _fast.average_step(dtype, share, size, guard.input(w), out)
        guard.check(size)
        assert out.tobytes() == ops.average_step(w, old, share=share).tobytes(), size


def test_bad_buffers(isa, dtype):
    w, old = _arrays(dtype, 5)
    refuse_bad_buffers(_fast.average_step, (dtype, 0.1, 5), {"w": w}, {"average": old})


@shares
def test_same_bits(dtype, share, bits_on_every_isa):
    def run():
        for size in SIZES:
            got = ops.average_step(*_arrays(dtype, size), share=share)
            yield hashlib.sha256(got.tobytes()).digest()

    bits_on_every_isa(run, SIZES)
