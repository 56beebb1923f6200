"""Clipping of gradients: fast against reference."""

import hashlib

import numpy as np
import pytest

from deltarule import _bounds, _check_weights, _fast, _weight_bounds, ops, reference

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, normal

kinds = pytest.mark.parametrize("kind", _check_weights.CLIPS)
# several chunks of 4096 beside less than one; of each matrix every other column is larger
SHAPES = [
    [(n, m) for n in (0, 1, 17, 33) for m in LENGTHS],
    [(4095,), (4096,), (4097,), (0,), (3,)],
    [(130, 257), (257,), (2, 5000)],
]


def _gradients(dtype, shapes):
    return {str(i): normal(dtype, *shape, salt="g") for i, shape in enumerate(shapes)}


@kinds
def test_against_reference(isa, dtype, kind):
    p = _bounds.precision(dtype)
    for shapes in SHAPES:
        for limit in (1e-3, 0.5, 30, 1e9):  # of some arrays or all of them, or none
            given, gradients = {kind: limit}, _gradients(dtype, shapes)
            got = ops.clip_gradients(gradients, **given)
            exact = {name: g.astype("f8") for name, g in gradients.items()}
            expected = reference.clip_gradients(exact, **given)
            near = _weight_bounds.clipped(
                p, {name: _bounds.exact(g) for name, g in gradients.items()}, given
            )
            for name, g in got.items():
                assert g.dtype == dtype and g.shape == gradients[name].shape
                bounds.assert_close(g, expected[name], near[name].error, (limit, g.shape))
            same = all(g.tobytes() == gradients[name].tobytes() for name, g in got.items())
            assert limit not in (1e-3, 1e9) or same == (limit == 1e9)


@kinds
def test_bounds_are_narrow(dtype, kind):
    """Or the comparisons with them would mean nothing."""
    g = _bounds.exact(normal(dtype, 70, 90))
    near = _weight_bounds.clipped(_bounds.precision(dtype), {"g": g}, {kind: 0.5})["g"]
    assert (near.error <= 3000 * bounds.eps(dtype) * 0.5).all()


def test_inputs(isa, dtype):
    """Of any layout; they are left alone."""
    g = normal(dtype, 7, 11)
    other = np.repeat(g, 2, axis=0)[::2].copy(order="F")
    other.flags.writeable = False
    for given in ({"clipnorm": 0.5}, {"clipvalue": 0.5}):
        got, expected = (ops.clip_gradients({"g": a}, **given)["g"] for a in (other, g))
        assert got.tobytes() == expected.tobytes() != g.tobytes()


def test_special_values(isa, dtype):
    for kind in _check_weights.CLIPS:
        for value in special.values(dtype):
            gradients = {"a": np.array([value, 1], dtype), "b": np.array([2, 3, -1], dtype)}
            given = {kind: 2.0}
            got, expected = (run.clip_gradients(gradients, **given) for run in (ops, reference))
            for name in gradients:
                special.assert_same_kinds(got[name], expected[name], (kind, value))
    big = {"a": np.array([np.finfo(dtype).max, 1], dtype)}
    for run in (ops, reference):  # the square is infinite
        assert run.clip_gradients(big, clipnorm=2.0)["a"].tolist() == [0, 0]


@kinds
def test_guarded(isa, dtype, kind):
    for shapes in SHAPES:
        gradients, guard = _gradients(dtype, shapes), Guard()
        out = [guard.output(dtype, *g.shape, start=g) for g in gradients.values()]
        _fast.clip_gradients(dtype, {kind: 0.5}, list(shapes), *out)
        guard.check(shapes)
        expected = ops.clip_gradients(gradients, **{kind: 0.5}).values()
        assert [a.tobytes() for a in out] == [a.tobytes() for a in expected]


def test_bad_buffers(isa, dtype):
    a, b = normal(dtype, 2, 5), normal(dtype, 5)
    head = (dtype, {"clipnorm": 0.5}, [(2, 5), (5,)])
    refuse_bad_buffers(_fast.clip_gradients, head, {}, {"a": a, "b": b})
    with pytest.raises(ValueError, match="zip"):
        _fast.clip_gradients(*head, a)


def test_same_bits(dtype, bits_on_every_isa):
    cases = [(shapes, kind) for shapes in SHAPES for kind in _check_weights.CLIPS]

    def run():
        for shapes, kind in cases:
            got = ops.clip_gradients(_gradients(dtype, shapes), **{kind: 0.7})
            yield hashlib.sha256(b"".join(g.tobytes() for g in got.values())).digest()

    bits_on_every_isa(run, cases)
