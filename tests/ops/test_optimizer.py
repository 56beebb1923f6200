"""Steps of the optimizers: fast against reference, for every rule in optimizers.RULES."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

import deltarule as dr
from deltarule import _bounds, _fast, ops, reference
from deltarule.optimizers import RULES, examples
from deltarule.reference.optimizer import TABLE

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, normal

SIZES = [*LENGTHS, 127, 128, 129, 1000]


def _cases():
    """Each rule at its first step, with either weight decay later on, and much later."""
    for rule, plain in examples().items():
        yield pytest.param(plain, 1, id=rule)
        yield pytest.param(replace(plain, weight_decay=0.01), 1000, id=f"{rule}-decay")
        apart = replace(plain, learning_rate=0.1, weight_decay=0.1, decoupled_weight_decay=True)
        yield pytest.param(apart, 7, id=f"{rule}-decoupled")
        yield pytest.param(plain, 1 << 40, id=f"{rule}-late")
    yield pytest.param(dr.Adam(betas=(0.0, 0.0)), 3, id="adam-no-memory")
    yield pytest.param(dr.RAdam(betas=(0.9, 0.99)), 9, id="radam-rectified")
    yield pytest.param(dr.RAdam(betas=(0.9, 0.5)), 1000, id="radam-never-rectified")
    yield pytest.param(dr.NAdam(betas=(0.999, 0.999)), 2000, id="nadam-long-memory")


cases = pytest.mark.parametrize(("optimizer", "step"), list(_cases()))


def _arrays(optimizer, dtype, *shape):
    """w, g and the state; some of all lies below the flush threshold. State that is a square is
    >= 0, which suits the others."""
    n_states = RULES[optimizer.rule]
    w, g, *state = (normal(dtype, *shape, salt=f"{i}") for i in range(2 + n_states))
    for s in (g, *state):
        s.reshape(-1)[::5] *= bounds.tiny(dtype)
    return w, g, *map(np.abs, state)


@cases
def test_against_reference(isa, dtype, optimizer, step):
    p = _bounds.precision(dtype)
    for size in SIZES:
        w, g, *state = _arrays(optimizer, dtype, size)
        got = ops.optimizer_step(optimizer, w, g, *state, step=step)
        expected = reference.optimizer_step(
            optimizer, *(a.astype("f8") for a in (w, g, *state)), step=step
        )
        exact = (_bounds.exact(a) for a in (w, g, *state))
        near = _bounds.update(p, optimizer, next(exact), next(exact), list(exact), step)
        for a, e, n in zip(got, expected, near, strict=True):
            assert a.dtype == w.dtype
            np.testing.assert_array_equal(n.value, e)
            bounds.assert_close(a, e, n.error, (optimizer, size, step))


@cases
def test_shapes_and_inputs(isa, dtype, optimizer, step):
    """Any shape; inputs are left alone, of any layout."""
    flat = _arrays(optimizer, dtype, 77)
    expected = ops.optimizer_step(optimizer, *flat, step=step)
    arrays = [np.repeat(a, 2)[::2].reshape(7, 11).copy(order="F") for a in flat]
    for a in arrays:
        a.flags.writeable = False
    got = ops.optimizer_step(optimizer, *arrays, step=step)
    for a, e in zip(got, expected, strict=True):
        assert a.shape == (7, 11)
        if TABLE[optimizer.rule].layered:  # whose norms are sums in another order
            np.testing.assert_allclose(a.reshape(-1), e, rtol=1e-5, atol=bounds.tiny(dtype))
        else:
            assert a.tobytes() == e.tobytes()


@cases
def test_special_values(isa, dtype, optimizer, step):
    values = special.values(dtype)
    one = np.ones_like(values)
    # 1e-3 times 1000 is 1 or nearly 1; much larger rates overflow where a fused product does not
    optimizer = replace(optimizer, learning_rate=0.09)
    # a mean of two largest numbers is one or infinite, as its last bit is rounded
    top = np.finfo(dtype).max / 2
    means = np.where(np.isfinite(values), values.clip(-top, top), values)
    n_states = RULES[optimizer.rule]
    for g in (values, 0.5 * one):
        for w in (values, one):
            for i in range(n_states + 1):
                state = [0.25 * one for _ in range(n_states)]
                if i < len(state):
                    state[i] = np.abs(means) if i else means
                with np.errstate(all="ignore"):
                    got = ops.optimizer_step(optimizer, w, g, *state, step=step)
                    expected = reference.optimizer_step(optimizer, w, g, *state, step=step)
                for a, e in zip(got, expected, strict=True):
                    special.assert_same_kinds(a, e, (optimizer, i))


@pytest.mark.parametrize("rule", [rule for rule in RULES if TABLE[rule].layered])
def test_matrices_of_layered_rules(isa, dtype, rule):
    """Norms of several chunks, and of panels that are not full."""
    p, optimizer = _bounds.precision(dtype), replace(examples()[rule], weight_decay=0.1)
    for shape in ((130, 257), (33, 17), (1, 1), (5000, 1), (0, 4)):
        arrays = _arrays(optimizer, dtype, *shape)
        got = ops.optimizer_step(optimizer, *arrays, step=3)
        w, g, *state = map(_bounds.exact, arrays)
        near = _bounds.update(p, optimizer, w, g, state, 3)
        for a, n in zip(got, near, strict=True):
            bounds.assert_close(a, n.value, n.error, (optimizer, shape))


@pytest.mark.parametrize("rule", RULES)
def test_flush(isa, dtype, rule):
    """What is left of state is +0 or at least the threshold, in both backends the same."""
    optimizer, tiny = examples()[rule], bounds.tiny(dtype)
    start = (tiny * np.linspace(0, 4, 33)).astype(dtype)
    state = [start] * RULES[rule]
    for g in (start, 0 * start):
        for run in (ops, reference):
            for a in run.optimizer_step(optimizer, 0 * g, g, *state)[1:]:
                assert not (np.abs(a) < tiny)[a != 0].any(), (rule, run.__name__)
                assert not np.signbit(a[a == 0]).any(), (rule, run.__name__)


def test_flush_is_exact(isa, dtype):
    """State below the threshold is +0, at it stays."""
    tiny = np.array(bounds.tiny(dtype), dtype)
    below = np.nextafter(tiny, np.array(0, dtype))
    start = np.array([tiny, below, -tiny, -below, -0.0], dtype)
    kept = np.array([tiny, 0, -tiny, 0, 0], dtype)
    w, adam = np.ones_like(start), dr.Adam(betas=(0.5, 0.5))
    for run in (ops, reference):
        velocity = run.optimizer_step(dr.SGD(momentum=0.5), w, start, 0 * w)[1]
        assert velocity.tobytes() == kept.tobytes(), run.__name__
        _, m, v = run.optimizer_step(adam, w, 0 * w, 2 * start, 2 * abs(start), step=2)
        assert m.tobytes() == kept.tobytes(), run.__name__
        assert v.tobytes() == abs(kept).tobytes(), run.__name__


def test_squares_do_not_overflow_apart(isa, dtype):
    """Where g^2 leaves the range, both backends agree that it does, or that it does not."""
    root = np.sqrt(np.finfo(dtype).max)
    g = (root * np.array([0.5, 0.99, 1.01, 2, 20, 40])).astype(dtype)
    w, m, v = np.ones_like(g), np.zeros_like(g), np.zeros_like(g)
    got, expected = (run.optimizer_step("adam", w, g, m, v) for run in (ops, reference))
    for a, e in zip(got, expected, strict=True):
        special.assert_same_kinds(a, e, g)


def test_momentum_that_rounds_to_nothing(isa, dtype):
    """Whether there is momentum is decided by one number, not by its rounding in one backend."""
    least = float(np.finfo(dtype).smallest_subnormal)
    for momentum in (least, least / 4 or least, 5e-324):
        optimizer = dr.SGD(0.1, momentum)
        w, g, velocity = _arrays(optimizer, dtype, 5)
        got, expected = (run.optimizer_step(optimizer, w, g, velocity) for run in (ops, reference))
        np.testing.assert_allclose(got[1], expected[1], 1e-6, err_msg=str(momentum))


@cases
def test_guarded(isa, dtype, optimizer, step):
    for size in SIZES:
        w, g, *state = _arrays(optimizer, dtype, size)
        guard = Guard()
        out = tuple(guard.output(dtype, size, start=a) for a in (w, *state))
        _fast.optimizer_step(dtype, optimizer, step, (size,), guard.input(g), out)
        guard.check((optimizer, size))
        expected = ops.optimizer_step(optimizer, w, g, *state, step=step)
        assert [a.tobytes() for a in out] == [a.tobytes() for a in expected], (optimizer, size)


@pytest.mark.parametrize("rule", RULES)
def test_bad_buffers(isa, dtype, rule):
    optimizer = examples()[rule]
    w, g, *state = _arrays(optimizer, dtype, 5)

    def call(g, *arrays):
        _fast.optimizer_step(dtype, optimizer, 1, (5,), g, arrays)

    outputs = {"w": w, **{f"state[{i}]": a for i, a in enumerate(state)}}
    refuse_bad_buffers(call, (), {"g": g}, outputs)
    for wrong in ((w, *state, w), (w, *state)[:-1]):
        with pytest.raises(ValueError, match=f"expected {1 + len(state)} arrays, got {len(wrong)}"):
            call(g, *wrong)


@cases
def test_same_bits(dtype, optimizer, step, bits_on_every_isa):
    def run():
        for size in SIZES:
            got = ops.optimizer_step(optimizer, *_arrays(optimizer, dtype, size), step=step)
            yield hashlib.sha256(b"".join(a.tobytes() for a in got)).digest()

    bits_on_every_isa(run, SIZES)
