"""Batch normalisation: fast against reference, over shapes around every edge of a panel."""

import hashlib

import numpy as np
import pytest

from deltarule import _bounds, _fast, _norm_bounds, ops, reference
from deltarule._bounds import exact

from . import bounds
from .guard import Guard, refuse_bad_buffers
from .sizes import LENGTHS, ROWS, normal

SHAPES = [(n, n_out) for i, n in enumerate(ROWS) for n_out in LENGTHS[i % 4 :: 4]]
EPS = 1e-5
# Where the columns lie: around 0; far from it, where one pass over squares would lose all digits;
# and so close together that eps decides.
PLACES = {"around 0": (0.0, 1.0), "far away": (1000.0, 1.0), "close": (3.0, 1e-4)}


def _arrays(dtype, n, n_out, place="around 0"):
    """x, w, b, dy."""
    mean, deviation = PLACES[place]
    x = (normal("float64", n, n_out, salt="x") * deviation + mean).astype(dtype)
    w, b = normal(dtype, n_out, salt="w"), normal(dtype, n_out, salt="b")
    return x, w, b, normal(dtype, n, n_out, salt="dy")


def _wide(*arrays):
    return [None if a is None else a.astype(np.float64) for a in arrays]


def _near(a):
    return None if a is None else exact(a)


@pytest.mark.parametrize("place", PLACES)
def test_forward(isa, dtype, place):
    p = _bounds.precision(dtype)
    for shape in SHAPES:
        x, w, b, _ = _arrays(dtype, *shape, place)
        for weight, bias in ((w, b), (None, None)):
            got = ops.batch_norm_forward(x, weight, bias, eps=EPS)
            expected = reference.batch_norm_forward(*_wide(x, weight, bias), eps=EPS)
            near = _norm_bounds.normal(p, exact(x), EPS, 0)
            limits = (
                _norm_bounds.forward(p, near, _near(weight), _near(bias)),
                near.mean.error[0],
                near.var.error[0],
            )
            for name, a, e, limit in zip(("y", "mean", "var"), got, expected, limits, strict=True):
                assert a.dtype == x.dtype
                bounds.assert_close(a, e, limit, (name, shape, place))


@pytest.mark.parametrize("place", PLACES)
def test_backward(isa, dtype, place):
    p = _bounds.precision(dtype)
    for shape in SHAPES:
        x, w, _, dy = _arrays(dtype, *shape, place)
        for weight in (w, None):
            got = ops.batch_norm_backward(x, weight, dy, eps=EPS)
            expected = reference.batch_norm_backward(*_wide(x, weight, dy), eps=EPS)
            near = _norm_bounds.normal(p, exact(x), EPS, 0)
            limits = _norm_bounds.backward(p, near, _near(weight), exact(dy))
            for name, a, e, limit in zip(("dx", "dw", "db"), got, expected, limits, strict=True):
                assert a.dtype == x.dtype
                bounds.assert_close(a, e, limit, (name, shape, place))


def test_inference_with_the_batchs_own_statistics_is_training(isa, dtype):
    for shape in SHAPES:
        x, w, b, _ = _arrays(dtype, *shape, "far away")
        for weight, bias in ((w, b), (w, None), (None, b), (None, None)):
            y, mean, var = ops.batch_norm_forward(x, weight, bias, eps=EPS)
            again = ops.batch_norm_inference(x, mean, var, weight, bias, eps=EPS)
            assert again.tobytes() == y.tobytes(), shape


def test_absent_parameters_are_ones_and_zeros(isa, dtype):
    for shape in SHAPES[::5]:
        x, w, _, dy = _arrays(dtype, *shape)
        one, zero = np.ones_like(w), np.zeros_like(w)
        got, expected = (ops.batch_norm_forward(x, *a)[0] for a in ((), (one, zero)))
        np.testing.assert_array_equal(got, expected)
        for a, e in zip(*(ops.batch_norm_backward(x, v, dy) for v in (None, one)), strict=True):
            assert a.tobytes() == e.tobytes()


def test_running(isa, dtype):
    p = _bounds.precision(dtype)
    for size in LENGTHS:
        old_mean, mean = normal(dtype, size, salt="old"), normal(dtype, size, salt="new")
        old_var, var = abs(normal(dtype, size, salt="v")), abs(normal(dtype, size, salt="w"))
        for n, momentum in ((2, 0.1), (64, 0.1), (3, 1.0), (3, 0.0)):
            call = {"n": n, "momentum": momentum}
            got = ops.batch_norm_running(old_mean, old_var, mean, var, **call)
            wide = _wide(old_mean, old_var, mean, var)
            expected = reference.batch_norm_running(*wide, **call)
            unbiased = exact(wide[3] * n / (n - 1))
            for a, e, old, new in zip(
                got, expected, map(exact, wide[:2]), (exact(wide[2]), unbiased), strict=True
            ):
                limit = _norm_bounds.running(p, old, new, momentum)
                bounds.assert_close(a, e, limit, (size, n, momentum))
        for n in (0, 1):
            still = ops.batch_norm_running(old_mean, old_var, mean, var, n=n)
            assert [a.tobytes() for a in still] == [old_mean.tobytes(), old_var.tobytes()]


def test_running_statistics_vanish_to_zero(isa, dtype):
    """What is below the threshold becomes +0, in both backends."""
    tiny = np.array(bounds.tiny(dtype), dtype)
    old = np.array([tiny, -tiny, 2 * tiny, -2 * tiny, 0.0], dtype)
    zero = np.zeros_like(old)
    for run in (ops, reference):
        mean, var = run.batch_norm_running(old, abs(old), zero, zero, n=2, momentum=0.5)
        expected = np.array([0, 0, tiny, -tiny, 0], dtype)
        assert mean.tobytes() == expected.tobytes(), run.__name__
        assert var.tobytes() == abs(expected).tobytes(), run.__name__


def test_constant_columns(isa, dtype):
    """Deviations of equal numbers are 0, whatever the number: y = b. Of one row all columns are
    constant, and no error comes through, exactly."""
    for n in (1, 2, 7, 129):
        x, w, b, dy = _arrays(dtype, n, 37, "far away")
        x[:] = x[0]
        y, mean, var = ops.batch_norm_forward(x, w, b)
        np.testing.assert_array_equal(y, np.broadcast_to(b, y.shape))
        np.testing.assert_array_equal(mean, x[0])
        assert not var.any()
        dx, dw, _ = ops.batch_norm_backward(x, w, dy)
        assert not dw.any()
        if n == 1:
            assert dx.tobytes() == np.zeros_like(dx).tobytes()


def test_sums_go_down_the_rows(isa, dtype):
    """The written order: 1 is lost beside 2^p, or not, by its place."""
    big = 2.0 ** (26 if dtype == "float32" else 55)
    for at, expected in ((5, 0.0), (90, 1.0)):
        dy = np.zeros((100, 37), dtype)
        dy[[10, 80]] = [[big], [-big]]  # swallows what was added before, not what comes after
        dy[at] = 1
        x = np.ones_like(dy)
        assert (ops.batch_norm_backward(x, None, dy)[2] == expected).all()
        mean = ops.batch_norm_forward(dy)[1]
        assert ((mean != 0) == (expected != 0)).all()


def test_errors_vanish_to_zero(isa, dtype):
    """Errors below the threshold are +0, in both backends."""
    x, w, _, dy = _arrays(dtype, 33, 37)
    for run in (ops, reference):
        dx = run.batch_norm_backward(x, w, dy * dy.dtype.type(bounds.tiny(dtype)))[0]
        kept = np.abs(dx[dx != 0])
        assert 0 < kept.size < dx.size and (kept >= bounds.tiny(dtype)).all()
        assert not np.signbit(dx[dx == 0]).any()


def test_nan_stays_in_its_column(isa, dtype):
    for n, n_out in ((7, 37), (33, 5), (129, 65)):
        for value in (np.nan, np.inf, -np.inf):
            x, w, b, dy = _arrays(dtype, n, n_out)
            clean = ops.batch_norm_forward(x, w, b)[0], ops.batch_norm_backward(x, w, dy)[0]
            x[2, -2] = value
            for run in (ops, reference):
                y = run.batch_norm_forward(x, w, b)[0]
                dx = run.batch_norm_backward(x, w, dy)[0]
                assert np.isnan(y[:, -2]).all() and np.isnan(dx[:, -2]).all(), run.__name__
            rest = np.arange(n_out) != n_out - 2
            np.testing.assert_array_equal(
                ops.batch_norm_forward(x, w, b)[0][:, rest], clean[0][:, rest])
            np.testing.assert_array_equal(
                ops.batch_norm_backward(x, w, dy)[0][:, rest], clean[1][:, rest])


def test_guarded(isa, dtype):
    for n, n_out in SHAPES[::2]:
        x, w, b, dy = _arrays(dtype, n, n_out)
        head = (dtype, EPS, n, n_out)
        for weight, bias in ((w, b), (None, None)):
            guard = Guard()
            rows, *parameters = (None if a is None else guard.input(a) for a in (x, weight, bias))
            out = [guard.output(dtype, *s) for s in ((n, n_out), (n_out,), (n_out,))]
            _fast.batch_norm_forward(*head, rows, *parameters, *out)
            guard.check((n, n_out))
            expected = ops.batch_norm_forward(x, weight, bias, eps=EPS)
            assert [a.tobytes() for a in out] == [a.tobytes() for a in expected]
            guard = Guard()
            rows, *given = (None if a is None else guard.input(a)
                            for a in (x, expected[1], expected[2], weight, bias))
            y = guard.output(dtype, n, n_out)
            _fast.batch_norm_inference(*head, rows, *given, y)
            guard.check((n, n_out))
            assert y.tobytes() == expected[0].tobytes()
            guard = Guard()
            given = [None if a is None else guard.input(a) for a in (x, weight, dy)]
            out = [guard.output(dtype, *s) for s in ((n, n_out), (n_out,), (n_out,))]
            _fast.batch_norm_backward(*head, *given, *out)
            guard.check((n, n_out))
            expected = ops.batch_norm_backward(x, weight, dy, eps=EPS)
            assert [a.tobytes() for a in out] == [a.tobytes() for a in expected]
        guard = Guard()
        statistics = [guard.input(abs(a)) for a in (w, b)]
        out = [guard.output(dtype, n_out, start=abs(a)) for a in (b, w)]
        _fast.batch_norm_running(dtype, 0.1, 9, n_out, *statistics, *out)
        guard.check(n_out)


def test_bad_buffers(isa, dtype):
    x, w, b, dy = _arrays(dtype, 3, 5)
    head = (dtype, EPS, 3, 5)
    vectors = {"mean": np.ones_like(w), "var": np.ones_like(w)}
    inputs = {"x": x, "w": w, "b": b}
    refuse_bad_buffers(_fast.batch_norm_forward, head, inputs, {"y": np.ones_like(x), **vectors})
    inputs = {"x": x, **vectors, "w": w, "b": b}
    refuse_bad_buffers(_fast.batch_norm_inference, head, inputs, {"y": np.ones_like(x)})
    gradients = {"dx": np.ones_like(x), "dw": np.ones_like(w), "db": np.ones_like(w)}
    inputs = {"x": x, "w": w, "dy": dy}
    refuse_bad_buffers(_fast.batch_norm_backward, head, inputs, gradients)
    running = {"running_mean": np.ones_like(w), "running_var": np.ones_like(w)}
    refuse_bad_buffers(_fast.batch_norm_running, (dtype, 0.1, 3, 5), vectors, running)


def test_strided_inputs(isa, dtype):
    """Any layout gives the bits of the contiguous one, and inputs are left alone."""
    x, w, b, dy = _arrays(dtype, 6, 35)
    strange = [np.asfortranarray(x), np.repeat(w, 2)[::2], b[::-1].copy()[::-1], dy.T.copy().T]
    for a in strange:
        a.flags.writeable = False
    for plain, other in (
        (ops.batch_norm_forward(x, w, b), ops.batch_norm_forward(*strange[:3])),
        (ops.batch_norm_backward(x, w, dy), ops.batch_norm_backward(*strange[:2], strange[3])),
    ):
        assert [a.tobytes() for a in plain] == [a.tobytes() for a in other]


def test_same_bits(dtype, bits_on_every_isa):
    def run():
        for i, shape in enumerate(SHAPES):
            x, w, b, dy = _arrays(dtype, *shape, list(PLACES)[i % 3])
            y, mean, var = ops.batch_norm_forward(x, w, b)
            found = (y, mean, var, *ops.batch_norm_backward(x, w, dy),
                     *ops.batch_norm_running(w, abs(b), mean, var, n=shape[0]))
            yield hashlib.sha256(b"".join(a.tobytes() for a in found)).digest()

    bits_on_every_isa(run, SHAPES)


X, V = np.ones((3, 4)), np.ones(4)
BAD_CALLS = [
    ("forward", (X[0],), {}, ValueError, "x must have 2 dimensions, got shape (4,)"),
    ("forward", (X.astype(int),), {}, TypeError, "x must be float32 or float64, got dtype int64"),
    ("forward", (X, V[:3]), {}, ValueError, "w must have shape (4,), got (3,)"),
    ("forward", (X, None, X), {}, ValueError, "b must have shape (4,), got (3, 4)"),
    ("forward", (X, V.astype("f4")), {}, TypeError, "w must have the dtype of x, float64"),
    ("forward", (X, V, V.astype("f4")), {}, TypeError, "b must have the dtype of x, float64"),
    ("forward", (X,), {"eps": 0}, ValueError, "eps must be > 0, got 0.0"),
    ("forward", (X,), {"eps": 1e-21}, ValueError, "eps must be >= 1e-20, got 1e-21"),
    ("forward", (X,), {"eps": None}, TypeError, "eps must be a real number, got NoneType"),
    ("forward", (X,), {"eps": np.nan}, ValueError, "eps must be finite, got nan"),
    ("backward", (X, V, X[:2]), {}, ValueError, "dy must have shape (3, 4), got (2, 4)"),
    ("backward", (X, V, X.astype("f4")), {}, TypeError, "dy must have the dtype of x, float64"),
    ("backward", (X, V[:1], X), {}, ValueError, "w must have shape (4,), got (1,)"),
    ("backward", (X, V, X), {"eps": -1}, ValueError, "eps must be > 0, got -1.0"),
    ("inference", (X, V[:3], V), {}, ValueError, "mean must have shape (4,), got (3,)"),
    ("inference", (X, V, X), {}, ValueError, "var must have shape (4,), got (3, 4)"),
    ("inference", (X, V, V.astype("f4")), {}, TypeError, "var must have the dtype of x, float64"),
    ("inference", (X, V, -V), {}, ValueError, "var must be >= 0, got -1.0 at column 0"),
    ("inference", (X, V, V), {"eps": "1"}, TypeError, "eps must be a real number, got str"),
    ("running", (V, V, V[:3], V), {"n": 3}, ValueError, "mean must have shape (4,), got (3,)"),
    ("running", (X, V, V, V), {"n": 3}, ValueError, "running_mean must have shape (any,)"),
    ("running", (V, V, V, V.astype("f4")), {"n": 3}, TypeError, "var must have the dtype of runn"),
    ("running", (V, -V, V, V), {"n": 3}, ValueError, "running_var must be >= 0, got -1.0 at col"),
    ("running", (V, V, V, V), {"n": -1}, ValueError, "n must be >= 0 and <"),
    ("running", (V, V, V, V), {"n": 2.0}, TypeError, "n must be an integer, got float"),
    ("running", (V, V, V, V), {"n": 2, "momentum": 1.1}, ValueError, "momentum must be >= 0 and <"),
    ("running", (V, V, V, V), {"n": 2, "momentum": None}, TypeError, "momentum must be a real nu"),
]


@pytest.mark.parametrize(("name", "arguments", "options", "error", "text"), BAD_CALLS)
@pytest.mark.parametrize("run", [ops, reference], ids=["fast", "reference"])
def test_bad_calls(run, name, arguments, options, error, text):
    with pytest.raises(error) as caught:
        getattr(run, f"batch_norm_{name}")(*arguments, **options)
    assert text in str(caught.value)
