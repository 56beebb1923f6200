"""layer_norm and rms_norm: fast against reference, over shapes around every edge of a panel."""

import hashlib

import numpy as np
import pytest

from deltarule import _bounds, _fast, _norm_bounds, ops, reference
from deltarule._bounds import exact

from . import bounds
from .guard import Guard, refuse_bad_buffers
from .sizes import FEW_ROWS, LENGTHS, normal

WIDE = (127, 128, 129, 160, 257)
# rows go four or two at a time, what is left one by one
SHAPES = [(n, n_out) for i, n in enumerate((*FEW_ROWS, 5, 6)) for n_out in LENGTHS[i % 3 :: 3]]
SHAPES += [(n, n_out) for n in (3, 9) for n_out in WIDE]
EPS = 1e-5
PLACES = {"around 0": (0.0, 1.0), "far away": (1000.0, 1.0), "close": (3.0, 1e-4)}
KINDS = ("layer_norm", "rms_norm")
kinds = pytest.mark.parametrize("kind", KINDS)


def _arrays(dtype, n, n_out, place="around 0"):
    """x, w, b, dy."""
    mean, deviation = PLACES[place]
    x = (normal("float64", n, n_out, salt="x") * deviation + mean).astype(dtype)
    w, b = normal(dtype, n_out, salt="w"), normal(dtype, n_out, salt="b")
    return x, w, b, normal(dtype, n, n_out, salt="dy")


def _forward(run, kind, x, w, b, eps=EPS):
    """rms_norm has no b."""
    parameters = (w, b) if kind == "layer_norm" else (w,)
    return getattr(run, f"{kind}_forward")(x, *parameters, eps=eps)


def _backward(run, kind, x, w, dy, eps=EPS):
    return getattr(run, f"{kind}_backward")(x, w, dy, eps=eps)


def _wide(*arrays):
    return [None if a is None else a.astype(np.float64) for a in arrays]


def _near(a):
    return None if a is None else exact(a)


def _normal(kind, dtype, x):
    return _norm_bounds.normal(_bounds.precision(dtype), exact(x), EPS, 1, kind == "layer_norm")


@kinds
@pytest.mark.parametrize("place", PLACES)
def test_forward(isa, dtype, kind, place):
    for shape in SHAPES:
        x, w, b, _ = _arrays(dtype, *shape, place)
        for weight, bias in ((w, b), (None, None)):
            y = _forward(ops, kind, x, weight, bias)
            expected = _forward(reference, kind, *_wide(x, weight, bias))
            limit = _norm_bounds.forward(
                _bounds.precision(dtype), _normal(kind, dtype, x), _near(weight),
                _near(bias) if kind == "layer_norm" else None)
            assert y.dtype == x.dtype
            bounds.assert_close(y, expected, limit, (shape, place))


@kinds
@pytest.mark.parametrize("place", PLACES)
def test_backward(isa, dtype, kind, place):
    for shape in SHAPES:
        x, w, _, dy = _arrays(dtype, *shape, place)
        for weight in (w, None):
            got = _backward(ops, kind, x, weight, dy)
            expected = _backward(reference, kind, *_wide(x, weight, dy))
            limits = _norm_bounds.backward(
                _bounds.precision(dtype), _normal(kind, dtype, x), _near(weight), exact(dy))
            assert len(got) == len(expected) == (3 if kind == "layer_norm" else 2)
            for name, a, e, limit in zip(("dx", "dw", "db"), got, expected, limits, strict=False):
                assert a.dtype == x.dtype
                bounds.assert_close(a, e, limit, (name, shape, place))


@kinds
def test_absent_parameters_are_ones_and_zeros(isa, dtype, kind):
    for shape in SHAPES[::5]:
        x, w, _, dy = _arrays(dtype, *shape)
        one, zero = np.ones_like(w), np.zeros_like(w)
        got, expected = (_forward(ops, kind, x, *a) for a in ((None, None), (one, zero)))
        np.testing.assert_array_equal(got, expected)
        for a, e in zip(*(_backward(ops, kind, x, v, dy) for v in (None, one)), strict=True):
            assert a.tobytes() == e.tobytes()


def test_rms_norm_takes_machine_epsilon(isa, dtype):
    x, w, _, dy = _arrays(dtype, 7, 37)
    x[0] = 0
    x[1] *= 1e-3
    eps = float(np.finfo(dtype).eps)
    for run in (ops, reference):
        assert run.rms_norm_forward(x, w).tobytes() == run.rms_norm_forward(x, w, eps=eps).tobytes()
        pairs = zip(run.rms_norm_backward(x, w, dy), run.rms_norm_backward(x, w, dy, eps=eps),
                    strict=True)
        assert all(a.tobytes() == b.tobytes() for a, b in pairs)


def test_constant_rows(isa, dtype):
    """Deviations of equal numbers are 0, whatever the number: y = b. Of one column all rows are
    constant, and no error comes through, exactly."""
    for n_out in (1, 2, 16, 37, 129):
        x, w, b, dy = _arrays(dtype, 7, n_out, "far away")
        x[:] = x[:, :1]
        y = ops.layer_norm_forward(x, w, b)
        np.testing.assert_array_equal(y, np.broadcast_to(b, y.shape))
        dx, dw, _ = ops.layer_norm_backward(x, w, dy)
        assert not dw.any()
        if n_out == 1:
            assert dx.tobytes() == np.zeros_like(dx).tobytes()


def test_a_variance_that_rounds_below_zero(isa):
    """To -4e-16, of so many equal numbers. It is taken for 0."""
    x = np.full((1, 50_000), 0.3, np.float32)
    assert np.isfinite(ops.layer_norm_forward(x, eps=1e-20)).all()


@kinds
def test_rows_are_on_their_own(isa, dtype, kind):
    """Four at a time or alone, in whichever place: the same bits."""
    for n_out in (5, 37, 129):
        x, w, b, dy = _arrays(dtype, 11, n_out)
        y, dx = _forward(ops, kind, x, w, b), _backward(ops, kind, x, w, dy)[0]
        for rows in (slice(3, 4), slice(1, 6), slice(10, None)):
            assert _forward(ops, kind, x[rows], w, b).tobytes() == y[rows].tobytes()
            assert _backward(ops, kind, x[rows], w, dy[rows])[0].tobytes() == dx[rows].tobytes()


@kinds
def test_sums_of_gradients_go_down_the_rows(isa, dtype, kind):
    """The written order: 1 is lost beside 2^p, or not, by its place."""
    big = 2.0 ** (26 if dtype == "float32" else 55)
    for at, expected in ((5, 0.0), (90, 1.0)):
        dy = np.zeros((100, 37), dtype)
        dy[[10, 80]] = [[big], [-big]]  # swallows what was added before, not what comes after
        dy[at] = 1
        x = np.ones_like(dy)
        x[:, ::2] = -1  # with eps far below: x_hat is x, but for a column at most
        dw = _backward(ops, kind, x, None, dy, eps=1e-20)[1]
        if kind == "rms_norm":
            assert (np.abs(dw) == expected).all()
        else:
            assert (ops.layer_norm_backward(x, None, dy)[2] == expected).all()


@kinds
def test_errors_vanish_to_zero(isa, dtype, kind):
    """Errors below the threshold are +0, in both backends."""
    x, w, _, dy = _arrays(dtype, 33, 37)
    for run in (ops, reference):
        dx = _backward(run, kind, x, w, dy * dy.dtype.type(bounds.tiny(dtype)))[0]
        kept = np.abs(dx[dx != 0])
        assert 0 < kept.size < dx.size and (kept >= bounds.tiny(dtype)).all()
        assert not np.signbit(dx[dx == 0]).any()


@kinds
def test_nan_stays_in_its_row(isa, dtype, kind):
    for n, n_out in ((7, 37), (33, 5), (3, 129)):
        for value in (np.nan, np.inf, -np.inf):
            x, w, b, dy = _arrays(dtype, n, n_out)
            clean = _forward(ops, kind, x, w, b), _backward(ops, kind, x, w, dy)[0]
            x[2, -2] = value
            for run in (ops, reference):
                spoilt = np.isnan(_forward(run, kind, x, w, b)[2])
                if kind == "layer_norm":
                    assert spoilt.all(), run.__name__
                else:  # x / inf is 0, but inf / inf is not
                    assert spoilt[-2] and (spoilt.all() or not np.isnan(value)), run.__name__
                assert np.isnan(_backward(run, kind, x, w, dy)[0][2, -2]), run.__name__
            rest = np.arange(n) != 2
            np.testing.assert_array_equal(_forward(ops, kind, x, w, b)[rest], clean[0][rest])
            np.testing.assert_array_equal(_backward(ops, kind, x, w, dy)[0][rest], clean[1][rest])


@kinds
def test_guarded(isa, dtype, kind):
    centred = kind == "layer_norm"
    for n, n_out in SHAPES[::2]:
        x, w, b, dy = _arrays(dtype, n, n_out)
        head = (dtype, centred, EPS, n, n_out)
        for weight, bias in ((w, b if centred else None), (None, None)):
            guard = Guard()
            given = [None if a is None else guard.input(a) for a in (x, weight, bias)]
            y = guard.output(dtype, n, n_out)
            _fast.layer_norm_forward(*head, *given, y)
            guard.check((n, n_out))
            assert y.tobytes() == _forward(ops, kind, x, weight, bias).tobytes()
            guard = Guard()
            given = [None if a is None else guard.input(a) for a in (x, weight, dy)]
            shapes = ((n, n_out), (n_out,), (n_out,))[: 2 + centred]
            out = [guard.output(dtype, *s) for s in shapes]
            _fast.layer_norm_backward(*head, *given, *[*out, None][:3])
            guard.check((n, n_out))
            expected = _backward(ops, kind, x, weight, dy)
            assert [a.tobytes() for a in out] == [a.tobytes() for a in expected]


@kinds
def test_bad_buffers(isa, dtype, kind):
    x, w, b, dy = _arrays(dtype, 3, 5)
    head = (dtype, kind == "layer_norm", EPS, 3, 5)
    inputs = {"x": x, "w": w, "b": b}
    refuse_bad_buffers(_fast.layer_norm_forward, head, inputs, {"y": np.ones_like(x)})
    gradients = {"dx": np.ones_like(x), "dw": np.ones_like(w), "db": np.ones_like(w)}
    inputs = {"x": x, "w": w, "dy": dy}
    refuse_bad_buffers(_fast.layer_norm_backward, head, inputs, gradients)


@kinds
def test_strided_inputs(isa, dtype, kind):
    """Any layout gives the bits of the contiguous one, and inputs are left alone."""
    x, w, b, dy = _arrays(dtype, 6, 35)
    strange = [np.asfortranarray(x), np.repeat(w, 2)[::2], b[::-1].copy()[::-1], dy.T.copy().T]
    for a in strange:
        a.flags.writeable = False
    plain = _forward(ops, kind, x, w, b), *_backward(ops, kind, x, w, dy)
    other = _forward(ops, kind, *strange[:3]), *_backward(ops, kind, *strange[:2], strange[3])
    assert [a.tobytes() for a in plain] == [a.tobytes() for a in other]


@kinds
def test_same_bits(dtype, kind, bits_on_every_isa):
    def run():
        for i, shape in enumerate(SHAPES):
            x, w, b, dy = _arrays(dtype, *shape, list(PLACES)[i % 3])
            found = _forward(ops, kind, x, w, b), *_backward(ops, kind, x, w, dy)
            yield hashlib.sha256(b"".join(a.tobytes() for a in found)).digest()

    bits_on_every_isa(run, SHAPES)


X, V = np.ones((3, 4)), np.ones(4)
BAD_CALLS = [
    ("layer_norm_forward", (X[0],), {}, ValueError, "x must have 2 dimensions, got shape (4,)"),
    ("layer_norm_forward", (X, V[:3]), {}, ValueError, "w must have shape (4,), got (3,)"),
    ("layer_norm_forward", (X, None, X), {}, ValueError, "b must have shape (4,), got (3, 4)"),
    ("layer_norm_forward", (X, V.astype("f4")), {}, TypeError, "w must have the dtype of x, floa"),
    ("layer_norm_forward", (X,), {"eps": 0}, ValueError, "eps must be > 0, got 0.0"),
    ("layer_norm_forward", (X,), {"eps": None}, TypeError, "eps must be a real number, got None"),
    ("layer_norm_backward", (X, V, V), {}, ValueError, "dy must have shape (3, 4), got (4,)"),
    ("layer_norm_backward", (X, V, X), {"eps": 1e-21}, ValueError, "eps must be >= 1e-20, got"),
    ("rms_norm_forward", (X.astype(int),), {}, TypeError, "x must be float32 or float64, got d"),
    ("rms_norm_forward", (X, V[:3]), {}, ValueError, "w must have shape (4,), got (3,)"),
    ("rms_norm_forward", (X,), {"eps": True}, TypeError, "eps must be a real number, got bool"),
    ("rms_norm_backward", (X, V, X.astype("f4")), {}, TypeError, "dy must have the dtype of x"),
    ("rms_norm_backward", (X, V, X), {"eps": np.inf}, ValueError, "eps must be finite, got inf"),
]


@pytest.mark.parametrize(("name", "arguments", "options", "error", "text"), BAD_CALLS)
@pytest.mark.parametrize("run", [ops, reference], ids=["fast", "reference"])
def test_bad_calls(run, name, arguments, options, error, text):
    with pytest.raises(error) as caught:
        getattr(run, name)(*arguments, **options)
    assert text in str(caught.value)
