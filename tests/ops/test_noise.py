"""Noise: fast against reference, for every name in _check.NOISES."""

import hashlib

import numpy as np
import pytest

from deltarule import _bounds, _fast, ops, reference
from deltarule._bounds import exact
from deltarule._check import NOISES

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, normal, rectangles

pytestmark = pytest.mark.parametrize("noise", NOISES)
SHAPES = [*rectangles(), *((n,) for n in LENGTHS), (2, 3, 17)]
AMOUNTS = (0.0, 0.3, 0.5, 0.999)
STREAM = {"seed": 0x123456789ABCDEF0, "layer": 2**24 - 1, "step": 2**32 + 7}
# Rows 0 and 6 .. : at the beginning of those that go together, and within.
ROWS = (0, 1, 2, 3, 6)


def _arrays(dtype, *shape):
    """x and dy, with errors on both sides of the flush threshold among them."""
    dy = normal(dtype, *shape, salt="dy")
    dy.reshape(-1)[::5] *= bounds.tiny(dtype)
    return normal(dtype, *shape, scale=3), dy


def test_against_the_reference(isa, dtype, noise):
    p = _bounds.precision(dtype)
    for number, shape in enumerate(SHAPES):
        call = {**STREAM, "row": ROWS[number % len(ROWS)]}
        amount = AMOUNTS[number % len(AMOUNTS)]
        x, dy = _arrays(dtype, *shape)
        y = ops.noise_forward(noise, x, amount, **call)
        wide = x.astype(np.float64)
        expected = reference.noise_forward(noise, wide, amount, **call)
        assert y.dtype == x.dtype
        bounds.assert_close(
            y, expected, _bounds.noise(p, noise, amount, exact(wide)), (shape, call)
        )
        dx = ops.noise_backward(noise, dy, amount, **call)
        wide = dy.astype(np.float64)
        expected = reference.noise_backward(noise, wide, amount, **call)
        bound = _bounds.noise_slope(p, noise, amount, exact(wide))
        bounds.assert_close(dx, expected, bound, (shape, call))
        small = np.abs(dx[dx != 0])
        assert not small.size or small.min() >= bounds.tiny(dtype)


def test_every_stream(isa, dtype, noise):
    """Seed, layer and step in full: what the reference says of each."""
    x, seen = normal(dtype, 5, 33), set()
    for seed in (0, 1, 2**32 - 1, 2**32, 2**64 - 1):
        for layer in (0, 1, 2**24 - 1):
            for step in (0, 2**32, 2**64 - 1):
                call = {"seed": seed, "layer": layer, "step": step}
                y, expected = (run.noise_forward(noise, x, 0.5, **call) for run in (ops, reference))
                np.testing.assert_allclose(y, expected, rtol=0, atol=64 * bounds.eps(dtype))
                seen.add(y.tobytes())
    assert len(seen) == 45


def test_rows_by_themselves(isa, dtype, noise):
    """Any block of rows gets what it gets in the whole batch; forward and backward."""
    for columns in (1, 8, 16, 17, 33, 64):
        x, dy = _arrays(dtype, 23, columns)
        y, dx = (
            run(noise, a, 0.4, **STREAM)
            for run, a in ((ops.noise_forward, x), (ops.noise_backward, dy))
        )
        for first in range(9):
            for end in range(first + 1, 23, 5):
                rows = slice(first, end)
                part = ops.noise_forward(noise, x[rows], 0.4, **STREAM, row=first)
                assert part.tobytes() == y[rows].tobytes(), (columns, rows)
                part = ops.noise_backward(noise, dy[rows], 0.4, **STREAM, row=first)
                assert part.tobytes() == dx[rows].tobytes(), (columns, rows)


def test_last_blocks_of_a_stream(isa, dtype, noise):
    """Rows so far behind that the number of the block needs all of its 32 bits."""
    x = normal(dtype, 3, 40)
    row = (1 << 30) // 3 - 9
    y, expected = (run.noise_forward(noise, x, 0.5, **STREAM, row=row) for run in (ops, reference))
    np.testing.assert_allclose(y, expected, rtol=0, atol=64 * bounds.eps(dtype))
    for run in (ops, reference):
        with pytest.raises(ValueError, match="row must leave x within one stream"):
            run.noise_forward(noise, x, 0.5, **STREAM, row=row + 9)


def test_special_values(isa, dtype, noise):
    for value in special.values(dtype):
        x = np.full((4, 35), value, dtype)
        for amount in (0.0, 0.5):
            y, expected = (
                run.noise_forward(noise, x, amount, **STREAM) for run in (ops, reference)
            )
            special.assert_same_kinds(y, expected, (noise, value))
            dx, expected = (
                run.noise_backward(noise, x, amount, **STREAM) for run in (ops, reference)
            )
            special.assert_same_kinds(dx, expected, (noise, value))


def test_flush(isa, dtype, noise):
    """Errors below the threshold are +0, all others stay as they are; in both backends."""
    tiny = np.array(bounds.tiny(dtype), dtype)
    slope = max(ops.noise_backward(noise, np.ones((4, 16), dtype), 0.25, **STREAM).flat)
    steps = np.arange(-16, 16) * np.spacing(tiny / slope)
    dy = np.concatenate([tiny / slope + steps, -tiny / slope + steps]).astype(dtype).reshape(1, -1)
    scale = np.array(2.0**60, dtype)
    for run in (ops, reference):
        dx = run.noise_backward(noise, dy, 0.25, **STREAM)
        plain = run.noise_backward(noise, dy * scale, 0.25, **STREAM) / scale
        small = np.abs(plain) < tiny
        assert small.any() and not small.all(), "nothing is tested"
        assert dx.tobytes() == np.where(small, np.array(0, dtype), plain).tobytes()


def test_guarded(isa, dtype, noise):
    key = (0.3, STREAM["seed"], STREAM["layer"], STREAM["step"])
    for number, shape in enumerate(rectangles()):
        row = ROWS[number % len(ROWS)]
        x, dy = _arrays(dtype, *shape)
        for name, a in (("noise_forward", x), ("noise_backward", dy)):
            guard = Guard()
            out = guard.output(dtype, *shape)
            getattr(_fast, name)(dtype, noise, *key, row, *shape, guard.input(a), out)
            guard.check((noise, shape))
            expected = getattr(ops, name)(noise, a, 0.3, **STREAM, row=row)
            assert out.tobytes() == expected.tobytes(), shape


def test_bad_buffers(isa, dtype, noise):
    x, dy = _arrays(dtype, 3, 21)
    head = (dtype, noise, 0.3, 0, 0, 0, 0, 3, 21)
    refuse_bad_buffers(_fast.noise_forward, head, {"x": x}, {"y": np.ones_like(x)})
    refuse_bad_buffers(_fast.noise_backward, head, {"dy": dy}, {"dx": np.ones_like(x)})


def test_strided_inputs(isa, dtype, noise):
    x, _ = _arrays(dtype, 6, 35)
    plain = ops.noise_forward(noise, x, 0.3, **STREAM)
    for strange in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1].copy()[::-1]):
        strange.flags.writeable = False
        assert ops.noise_forward(noise, strange, 0.3, **STREAM).tobytes() == plain.tobytes()


def test_same_bits(dtype, noise, bits_on_every_isa):
    def run():
        for shape in SHAPES:
            x, dy = _arrays(dtype, *shape)
            forward = ops.noise_forward(noise, x, 0.3, **STREAM)
            backward = ops.noise_backward(noise, dy, 0.3, **STREAM)
            yield hashlib.sha256(forward.tobytes() + backward.tobytes()).digest()

    bits_on_every_isa(run, SHAPES)


def test_both_dtypes_see_the_same_noise(isa, dtype, noise):
    x = np.ones((40, 50), dtype)
    y = ops.noise_forward(noise, x, 0.5, **STREAM).astype(np.float64)
    other = ops.noise_forward(noise, x.astype(np.float64), 0.5, **STREAM)
    np.testing.assert_allclose(y, other, rtol=0, atol=64 * bounds.eps("float32"))
