"""Steps of the optimizers: fast against reference, for every name in reference.optimizer.TABLE."""

import hashlib

import numpy as np
import pytest

from deltarule import _fast, ops, reference
from deltarule.reference.optimizer import TABLE

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, normal

SIZES = [*LENGTHS, 127, 128, 129, 1000]

# What to run each optimizer with, as arguments and as the numbers that _fast takes. Registering
# another asks for a line here.
SETTINGS = {
    "sgd": [
        ({"learning_rate": 0.1}, (0.1, 0.0, 0.0, 0.0)),
        ({"learning_rate": 0.1, "weight_decay": 0.01}, (0.1, 0.0, 0.0, 0.01)),
        ({"learning_rate": 0.1, "momentum": 0.9}, (0.1, 0.9, 0.0, 0.0)),
        (
            {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
            (0.1, 0.9, 1.0, 0.01),
        ),
        ({"learning_rate": 0.0}, (0.0, 0.0, 0.0, 0.0)),
    ],
    "adam": [
        ({"step": 1}, (1e-3, 0.9, 0.999, 1e-8)),
        ({"step": 1000, "learning_rate": 0.1, "betas": (0.8, 0.99), "eps": 1e-3},
         (0.1, 0.8, 0.99, 1e-3)),
        ({"step": 1 << 40}, (1e-3, 0.9, 0.999, 1e-8)),
        ({"step": 3, "betas": (0.0, 0.0)}, (1e-3, 0.0, 0.0, 1e-8)),
    ],
}
CASES = [
    pytest.param(name, arguments, hyper, id=f"{name}-{i}")
    for name, settings in SETTINGS.items()
    for i, (arguments, hyper) in enumerate(settings)
]
cases = pytest.mark.parametrize(("name", "arguments", "hyper"), CASES)


def _step(run, name):
    return getattr(run, f"{name}_step")


def _arrays(name, dtype, *shape):
    """w, g and the state; squares are >= 0, and some of all lies below the flush threshold."""
    w, g, *state = (normal(dtype, *shape, salt=f"{i}") for i in range(2 + TABLE[name][1]))
    for s in (g, *state):
        s.reshape(-1)[::5] *= bounds.tiny(dtype)
    return w, g, *(np.abs(s) if i else s for i, s in enumerate(state))


def test_every_optimizer_has_settings():
    assert set(SETTINGS) == set(TABLE)
    for name in TABLE:
        assert callable(_step(ops, name)) and callable(_step(reference, name))


@cases
def test_against_reference(isa, dtype, name, arguments, hyper):
    """A dozen operations on an element: the state within 4 eps of the sizes that were added, the
    weight within 16 eps of its change and one of itself."""
    for size in SIZES:
        w, g, *state = _arrays(name, dtype, size)
        got = _step(ops, name)(w, g, *state, **arguments)
        exact = _step(reference, name)(*(a.astype("f8") for a in (w, g, *state)), **arguments)
        assert all(a.dtype == w.dtype for a in got)
        weight, *after = (a.astype(np.float64) for a in exact)
        eps, tiny = bounds.eps(dtype), bounds.tiny(dtype)
        size_of = np.abs(w) + np.abs(g) + sum(map(np.abs, state)) + np.square(g)
        for a, e in zip(got[1:], after, strict=True):
            bounds.assert_close(a, e, 4 * eps * size_of + tiny, (name, size, arguments))
        # where m and v nearly cancel or vanish, their own errors decide over the change
        change = np.abs(weight - w) + (arguments.get("learning_rate", 1e-3) * size_of)
        bound = 16 * eps * change + eps * np.abs(w)
        if name == "adam":  # the error of m in the numerator, over the smallest denominator
            root = np.sqrt(after[1]) + hyper[3]
            bound = bound + 4 * hyper[0] * (4 * eps * size_of + tiny) / root
            bound = bound + 64 * eps * hyper[0] * np.abs(after[0]) / root
        bounds.assert_close(got[0], weight, bound, (name, size, arguments))


@cases
def test_shapes_and_inputs(isa, dtype, name, arguments, hyper):
    """Any shape; inputs are left alone, of any layout."""
    flat = _arrays(name, dtype, 77)
    expected = _step(ops, name)(*flat, **arguments)
    arrays = [np.repeat(a, 2)[::2].reshape(7, 11).copy(order="F") for a in flat]
    for a in arrays:
        a.flags.writeable = False
    got = _step(ops, name)(*arrays, **arguments)
    for a, e in zip(got, expected, strict=True):
        assert a.shape == (7, 11) and a.tobytes() == e.tobytes()


@cases
def test_special_values(isa, dtype, name, arguments, hyper):
    values = special.values(dtype)
    one = np.ones_like(values)
    # a mean of two largest numbers is one or infinite, as its last bit is rounded
    top = np.finfo(dtype).max / 2
    means = np.where(np.isfinite(values), values.clip(-top, top), values)
    for g in (values, 0.5 * one):
        for w in (values, one):
            for i in range(TABLE[name][1] + 1):
                state = [0.25 * one for _ in range(TABLE[name][1])]
                if i < len(state):
                    state[i] = np.abs(means) if i else means
                with np.errstate(all="ignore"):
                    got = _step(ops, name)(w, g, *state, **arguments)
                    expected = _step(reference, name)(w, g, *state, **arguments)
                for a, e in zip(got, expected, strict=True):
                    special.assert_same_kinds(a, e, (name, arguments, i))


def test_flush(isa, dtype):
    """State below the threshold is +0, at it stays, exactly; in both backends."""
    tiny = np.array(bounds.tiny(dtype), dtype)
    below = np.nextafter(tiny, np.array(0, dtype))
    start = np.array([tiny, below, -tiny, -below, -0.0], dtype)
    kept = np.array([tiny, 0, -tiny, 0, 0], dtype)
    w = np.ones_like(start)
    for run in (ops, reference):
        velocity = run.sgd_step(w, start, 0 * w, learning_rate=0.1, momentum=0.5)[1]
        assert velocity.tobytes() == kept.tobytes(), run.__name__
        # without momentum the velocity is none of the step's business
        velocity = run.sgd_step(w, start, start, learning_rate=0.1)[1]
        assert velocity.tobytes() == start.tobytes(), run.__name__
        _, m, v = run.adam_step(w, 0 * w, 2 * start, 2 * abs(start), step=2, betas=(0.5, 0.5))
        assert m.tobytes() == kept.tobytes(), run.__name__
        assert v.tobytes() == abs(kept).tobytes(), run.__name__


def test_squares_do_not_overflow_apart(isa, dtype):
    """Where g^2 leaves the range, both backends agree that it does, or that it does not."""
    root = np.sqrt(np.finfo(dtype).max)
    g = (root * np.array([0.5, 0.99, 1.01, 2, 20, 40])).astype(dtype)
    w, m, v = np.ones_like(g), np.zeros_like(g), np.zeros_like(g)
    got, expected = (run.adam_step(w, g, m, v, step=1) for run in (ops, reference))
    for a, e in zip(got, expected, strict=True):
        special.assert_same_kinds(a, e, g)


def test_momentum_that_rounds_to_nothing(isa, dtype):
    """Whether there is momentum is decided by one number, not by its rounding in one backend."""
    least = float(np.finfo(dtype).smallest_subnormal)
    for momentum in (least, least / 4, 5e-324):
        w, g, velocity = _arrays("sgd", dtype, 5)
        call = {"learning_rate": 0.1, "momentum": momentum}
        got, expected = (run.sgd_step(w, g, velocity, **call) for run in (ops, reference))
        np.testing.assert_allclose(got[1], expected[1], 1e-6, err_msg=str(momentum))


@cases
def test_guarded(isa, dtype, name, arguments, hyper):
    step = arguments.get("step", 1)
    for size in SIZES:
        w, g, *state = _arrays(name, dtype, size)
        guard = Guard()
        out = [guard.output(dtype, size, start=a) for a in (w, *state)]
        states = [*out[1:], None][:2]
        _fast.optimizer_step(dtype, name, hyper, step, size, guard.input(g), out[0], *states)
        guard.check((name, size))
        expected = _step(ops, name)(w, g, *state, **arguments)
        assert [a.tobytes() for a in out] == [a.tobytes() for a in expected], (name, size)


@pytest.mark.parametrize("name", TABLE)
def test_bad_buffers(isa, dtype, name):
    w, g, *state = _arrays(name, dtype, 5)
    head = (dtype, name, SETTINGS[name][0][1], 1, 5)
    states = dict(zip(("state0", "state1"), state, strict=False))
    outputs = {"w": w, **states}
    if len(states) == 2:
        refuse_bad_buffers(_fast.optimizer_step, head, {"g": g}, outputs)
    else:  # the missing state comes last
        def call(*arguments):
            _fast.optimizer_step(*arguments, None)

        refuse_bad_buffers(call, head, {"g": g}, outputs)


@cases
def test_same_bits(dtype, name, arguments, hyper, bits_on_every_isa):
    def run():
        for size in SIZES:
            got = _step(ops, name)(*_arrays(name, dtype, size), **arguments)
            yield hashlib.sha256(b"".join(a.tobytes() for a in got)).digest()

    bits_on_every_isa(run, SIZES)
