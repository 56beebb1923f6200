"""Constraints of weights: fast against reference, for every name in CONSTRAINTS."""

import hashlib

import numpy as np
import pytest

from deltarule import _fast, ops, reference
from deltarule._check_weights import CONSTRAINTS
from deltarule.reference.constraint import TABLE

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, normal

SETTINGS = {"max_norm": [{}, {"max_value": 0.3}, {"max_value": 3}], "non_negative": [{}]}
CASES = [(name, given) for name, settings in SETTINGS.items() for given in settings]
cases = pytest.mark.parametrize(("name", "given"), CASES)
SHAPES = [(n, m) for n in LENGTHS for m in (0, 1, 15, 16, 17, 31, 33, 65)] + [(130, 257)]


def test_every_constraint_has_settings():
    assert set(SETTINGS) == set(CONSTRAINTS) == set(TABLE)


@cases
def test_against_reference(isa, dtype, name, given):
    """A norm of n squares, all >= 0, is good to n/2 + 2 roundings, its root and the rest to 3."""
    for shape in SHAPES:
        w = normal(dtype, *shape)
        got = ops.constrain(name, w, **given)
        assert got.dtype == w.dtype
        exact = reference.constrain(name, w.astype("f8"), **given)
        bounds.assert_close(got, exact, (shape[0] + 10) * bounds.eps(dtype) * np.abs(exact), shape)


def test_norms(isa, dtype):
    """Columns shorter than the limit, or zero, stay to the last bit; longer ones have it after."""
    w = normal(dtype, 40, 70) * np.linspace(0, 1, 70).astype(dtype)
    before = np.linalg.norm(w.astype("f8"), axis=0)
    for run in (ops, reference):
        got = run.constrain("max_norm", w, max_value=3)
        after = np.linalg.norm(got.astype("f8"), axis=0)
        short = before < 3 - 1e-4
        assert 20 < short.sum() < 60
        assert got[:, short].tobytes() == w[:, short].tobytes()
        np.testing.assert_allclose(after[~short], 3, rtol=1e-5)
        np.testing.assert_allclose(got[:, ~short], w[:, ~short] * 3 / before[~short], 1e-5)


def test_numbers_whose_squares_overflow(isa, dtype):
    largest = float(np.finfo(dtype).max)
    w = np.array([[largest, 1e10, -largest, 0], [0, 0, largest, -1e10]], dtype)
    for run in (ops, reference):
        got = run.constrain("max_norm", w, max_value=4)
        half = 4 / np.sqrt(2)
        np.testing.assert_allclose(got, [[4, 4, -half, 0], [0, 0, half, -4]], rtol=1e-6)


def test_what_is_no_number_stays(isa, dtype):
    w = np.array([[np.inf, np.nan, 30.0], [100.0, 100.0, 40.0]], dtype)
    for run in (ops, reference):
        got = run.constrain("max_norm", w, max_value=5)
        assert got[:, :2].tobytes() == w[:, :2].tobytes()
        np.testing.assert_allclose(got[:, 2], [3, 4], rtol=1e-6)
        got = run.constrain("non_negative", np.array([[np.nan, -np.inf, np.inf, -0.0]], dtype))
        assert np.isnan(got[0, 0]) and got[0, 1:].tolist() == [0, np.inf, 0]


@cases
def test_special_values(isa, dtype, name, given):
    values = special.values(dtype)
    for w in (values[None], values[:, None] * np.ones(3, dtype), np.ones((3, 1), dtype) * values):
        with np.errstate(all="ignore"):
            got, expected = (run.constrain(name, w, **given) for run in (ops, reference))
        special.assert_same_kinds(got + 0, expected + 0, (name, given))  # zeros of either sign


@cases
def test_layouts(isa, dtype, name, given):
    """Inputs of any layout are left alone."""
    w = normal(dtype, 7, 11)
    expected = ops.constrain(name, w, **given)
    strided = np.repeat(w, 2, axis=0)[::2].copy(order="F")
    strided.flags.writeable = False
    assert ops.constrain(name, strided, **given).tobytes() == expected.tobytes()


@cases
def test_guarded(isa, dtype, name, given):
    limit = given.get("max_value", 2.0)
    for shape in SHAPES:
        w, guard = normal(dtype, *shape), Guard()
        out = guard.output(dtype, *shape, start=w)
        _fast.constrain(dtype, name, limit, *shape, out)
        guard.check(shape)
        assert out.tobytes() == ops.constrain(name, w, **given).tobytes(), shape


def test_bad_buffers(isa, dtype):
    for name in CONSTRAINTS:
        w = normal(dtype, 3, 5)
        refuse_bad_buffers(_fast.constrain, (dtype, name, 2.0, 3, 5), {}, {"w": w})


@cases
def test_same_bits(dtype, name, given, bits_on_every_isa):
    def run():
        for shape in SHAPES:
            held = ops.constrain(name, normal(dtype, *shape), **given)
            yield hashlib.sha256(held.tobytes()).digest()

    bits_on_every_isa(run, SHAPES)
