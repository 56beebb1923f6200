"""Activations: fast against reference, for every name in _check.ACTIVATIONS."""

import hashlib

import numpy as np
import pytest

from deltarule import _check, _fast, ops, reference
from deltarule._check import ACTIVATIONS

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, normal, rectangles

pytestmark = pytest.mark.parametrize("activation", ACTIVATIONS)
SHAPES = [*rectangles(), *((n,) for n in LENGTHS)]
SLOPE = 0.01


def _arrays(activation, dtype, *shape):
    """x, y = f(x) and dy, with errors on both sides of the flush threshold among them."""
    x = normal(dtype, *shape, scale=3)
    y = reference.activation_forward(activation, x)
    dy = normal(dtype, *shape, salt="dy")
    dy.reshape(-1)[::5] *= bounds.tiny(dtype)
    return x, y, dy


def test_forward(isa, dtype, activation):
    for shape in SHAPES:
        x, _, _ = _arrays(activation, dtype, *shape)
        exact = reference.activation_forward(activation, x.astype(np.float64))
        y = ops.activation_forward(activation, x)
        assert y.dtype == x.dtype
        bound = bounds.activation_value(activation, dtype, x.astype(np.float64), exact)
        bounds.assert_close(y, exact, bound, (activation, shape))


def test_backward(isa, dtype, activation):
    for shape in SHAPES:
        x, y, dy = _arrays(activation, dtype, *shape)
        exact = reference.activation_backward(activation, *(a.astype("f8") for a in (x, y, dy)))
        dx = ops.activation_backward(activation, x, y, dy)
        assert dx.dtype == x.dtype
        wide = [a.astype(np.float64) for a in (x, y, dy)]
        bound = bounds.activation_slope(activation, dtype, *wide)
        bounds.assert_close(dx, exact, bound, (activation, shape))
        small = np.abs(dx[dx != 0])
        assert not small.size or small.min() >= bounds.tiny(dtype), (activation, shape)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_alpha(isa, dtype, activation, alpha):
    """An activation with a parameter uses the one it is given; the others refuse it."""
    x, _, dy = _arrays(activation, dtype, 3, 37)
    try:
        y = reference.activation_forward(activation, x, alpha=alpha)
    except ValueError:
        with pytest.raises(ValueError, match="alpha"):
            ops.activation_forward(activation, x, alpha=alpha)
        return
    wide = [a.astype(np.float64) for a in (x, y, dy)]
    exact = reference.activation_forward(activation, wide[0], alpha=alpha)
    bound = bounds.activation_value(activation, dtype, wide[0], exact, alpha=alpha)
    bounds.assert_close(ops.activation_forward(activation, x, alpha=alpha), exact, bound, alpha)
    exact = reference.activation_backward(activation, *wide, alpha=alpha)
    bound = bounds.activation_slope(activation, dtype, *wide, alpha=alpha)
    bounds.assert_close(
        ops.activation_backward(activation, x, y, dy, alpha=alpha), exact, bound, alpha
    )


def _around(dtype, value):
    """Rows of plain numbers with one special value, at each place of a panel and its tail."""
    x = np.tile(np.array([0.5, -1.0, 2.0], dtype), (5, 12))[:, :35].copy()
    x[np.arange(5), [0, 1, 16, 33, 34]] = value
    return x


def test_special_values(isa, dtype, activation):
    for value in special.values(dtype):
        for x in (_around(dtype, value), np.array([[value]]), np.array([[value, -value]])):
            y = ops.activation_forward(activation, x)
            expected = reference.activation_forward(activation, x)
            special.assert_same_kinds(y, expected, (activation, value))


def test_special_errors(isa, dtype, activation):
    """Every special value as the error, at every special input."""
    values = special.values(dtype)
    x, dy = (a.reshape(1, -1) for a in np.meshgrid(values, values))
    for a, b in ((x, dy), (x.T, dy.T)):  # a softmax sees all in one row, then each by itself
        y = reference.activation_forward(activation, a)
        dx = ops.activation_backward(activation, a, y, b)
        expected = reference.activation_backward(activation, a, y, b)
        special.assert_same_kinds(dx, expected, activation)


def test_known_values(isa, dtype, activation):
    """What the documentation says of the special values, in so many numbers."""
    known = {
        "identity": [(-np.inf, -np.inf), (np.inf, np.inf), (-0.0, -0.0), (0.0, 0.0)],
        "relu": [(-np.inf, 0.0), (np.inf, np.inf), (-0.0, 0.0), (-1.0, 0.0), (2.5, 2.5)],
        "leaky_relu": [(-np.inf, -np.inf), (np.inf, np.inf), (-0.0, -0.0), (2.5, 2.5)],
        "sigmoid": [(-np.inf, 0.0), (np.inf, 1.0), (0.0, 0.5), (-0.0, 0.5)],
        "tanh": [(-np.inf, -1.0), (np.inf, 1.0), (0.0, 0.0), (-0.0, -0.0)],
        "elu": [(-np.inf, -1.0), (np.inf, np.inf), (-0.0, -0.0), (2.5, 2.5)],
        "celu": [(-np.inf, -1.0), (np.inf, np.inf), (-0.0, -0.0), (2.5, 2.5)],
        "selu": [(np.inf, np.inf), (-0.0, -0.0), (0.0, 0.0)],
        **{
            name: [(-np.inf, -0.0), (-1e30, -0.0), (np.inf, np.inf), (-0.0, -0.0), (1e30, 1e30)]
            for name in ("gelu", "gelu_tanh", "silu", "mish", "hard_swish")
        },
        "softplus": [(-np.inf, 0.0), (-1e30, 0.0), (np.inf, np.inf), (1e30, 1e30)],
        "softsign": [(-np.inf, -1.0), (np.inf, 1.0), (-0.0, -0.0), (1.0, 0.5), (-1e30, -1.0)],
        "hard_sigmoid": [(-np.inf, 0.0), (np.inf, 1.0), (-0.0, 0.5), (-3.0, 0.0), (3.0, 1.0)],
        "exp": [(-np.inf, 0.0), (np.inf, np.inf), (-0.0, 1.0), (1e30, np.inf)],
        "softmax": [(0.0, 1.0), (1e30, 1.0), (-1e30, 1.0)],
        "log_softmax": [(0.0, 0.0), (1e30, 0.0), (-1e30, 0.0)],
    }
    for run in (ops, reference):
        for x, y in known.get(activation, []):
            got = run.activation_forward(activation, np.array([[x]], dtype))
            expected = np.array([[y]], dtype)
            assert got.tobytes() == expected.tobytes(), (run.__name__, x, got)
        assert np.isnan(run.activation_forward(activation, np.array([[np.nan]], dtype))).all()


def test_flush(isa, dtype, activation):
    """Errors below the threshold are +0, all others stay as they are; in both backends."""
    if bounds.is_rowwise(activation):  # f' is 0 for a row of one
        return
    tiny = np.array(bounds.tiny(dtype), dtype)
    for at in (0.0, 0.5):
        x = np.full((1, 64), at, dtype)
        y = reference.activation_forward(activation, x)
        slope = reference.activation_backward(activation, x, y, np.ones_like(x))[0, 0]
        if not slope:
            continue
        steps = np.arange(-16, 16) * np.spacing(tiny / slope)  # some 16 below, some 16 above
        dy = np.concatenate([tiny / slope + steps, -tiny / slope + steps]).reshape(1, -1)
        dy, scale = dy.astype(dtype), np.array(2.0**60, dtype)  # takes them far above the threshold
        for run in (ops, reference):
            dx = run.activation_backward(activation, x, y, dy)
            plain = run.activation_backward(activation, x, y, dy * scale) / scale
            small = np.abs(plain) < tiny
            assert small.any() and not small.all(), "nothing is tested"
            expected = np.where(small, np.array(0, dtype), plain)
            assert dx.tobytes() == expected.tobytes(), (run.__name__, at)


def test_guarded(isa, dtype, activation):
    for shape in rectangles():
        x, y, dy = _arrays(activation, dtype, *shape)
        guard, alpha = Guard(), _check.activation(activation)
        out = guard.output(dtype, *shape)
        _fast.activation_forward(dtype, activation, alpha, *shape, guard.input(x), out)
        guard.check((activation, shape))
        assert out.tobytes() == ops.activation_forward(activation, x).tobytes(), shape

        guard = Guard()
        out = guard.output(dtype, *shape)
        arrays = [guard.input(a) for a in (x, y, dy)]
        _fast.activation_backward(dtype, activation, alpha, *shape, *arrays, out)
        guard.check((activation, shape))
        assert out.tobytes() == ops.activation_backward(activation, x, y, dy).tobytes(), shape


def test_bad_buffers(isa, dtype, activation):
    shape = (3, 21)
    x, y, dy = _arrays(activation, dtype, *shape)
    head = (dtype, activation, SLOPE, *shape)
    refuse_bad_buffers(_fast.activation_forward, head, {"x": x}, {"y": np.ones_like(x)})
    inputs = {"x": x, "y": y, "dy": dy}
    refuse_bad_buffers(_fast.activation_backward, head, inputs, {"dx": np.ones_like(x)})


def test_strided_inputs(isa, dtype, activation):
    """Any layout gives the bits of the contiguous one, and inputs are left alone."""
    x, y, dy = _arrays(activation, dtype, 6, 35)
    plain = ops.activation_backward(activation, x, y, dy)
    strange = [np.asfortranarray(x), np.repeat(y, 2, axis=1)[:, ::2], dy[::-1].copy()[::-1]]
    before = [a.copy() for a in strange]
    for a in strange:
        a.flags.writeable = False
    assert ops.activation_backward(activation, *strange).tobytes() == plain.tobytes()
    forward = ops.activation_forward(activation, x)
    assert ops.activation_forward(activation, strange[0]).tobytes() == forward.tobytes()
    for a, b in zip(strange, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_same_bits(dtype, activation, bits_on_every_isa):
    def run():
        for shape in SHAPES:
            x, y, dy = _arrays(activation, dtype, *shape)
            forward = ops.activation_forward(activation, x)
            backward = ops.activation_backward(activation, x, y, dy)
            yield hashlib.sha256(forward.tobytes() + backward.tobytes()).digest()

    bits_on_every_isa(run, SHAPES)
