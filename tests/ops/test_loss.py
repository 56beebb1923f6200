"""Losses: fast against reference, for every loss, every kind of target and other arguments."""

import hashlib
import itertools

import numpy as np
import pytest

from deltarule import _bounds, _fast, _loss_bounds, losses, ops, reference
from deltarule.reference import loss as reference_loss

from ..losses import CASES, LABELS, LOSSES, ROWS, outputs, shown, targets, width
from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import normal, rectangles

SHAPES = [(n, m) for n, m in rectangles() if m] + [(129, 5), (33, 1)]
# Operations see no argument but the numbers that a loss is made with.
DIFFERENT = {(loss.kind, loss.parameters, form): (loss, form) for loss, form in CASES[::-1]}
cases = pytest.mark.parametrize(("loss", "form"), list(DIFFERENT.values())[::-1], ids=shown)
weighting = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])


def _shapes(loss):
    return [(n, m) for n, m in SHAPES if m % loss.per_target == 0 and m >= loss.least]


def _arrays(loss, form, dtype, n, n_out):
    """y, t, w: weights with zeros among them, and targets of cross_entropy that do not sum to 1."""
    y = outputs(loss, normal(dtype, n, n_out, scale=3))
    w = np.abs(normal(dtype, n, salt="w"))
    w[::4] = 0
    t = targets(loss, n, n_out, dtype, form)
    if form == ROWS and loss.targets == "classes":
        t = np.abs(normal(dtype, n, n_out, salt="t"))
        t[:, ::3] = 0
    return y, t, w


def _wide(*arrays):
    return [a if a is None or a.dtype.kind == "i" else a.astype(np.float64) for a in arrays]


def _limits(loss, dtype, y, t, w):
    """(of the loss, of dy) for exact arguments: what verify() holds them to, and the sum of samples
    in float64."""
    p, near = _bounds.precision(dtype), _bounds.exact(y)
    w = np.ones(len(y)) if w is None else w
    share = w / w.sum() if w.sum() else w
    if not y.size:
        return 0.0, np.zeros_like(y)
    value = float(np.sum(share * _loss_bounds.rows(p, loss, near, t)))
    slack = 2**-52 * (len(y) + 4) * abs(reference.loss_forward(loss, y, t, sample_weight=w))
    return value + slack, _loss_bounds.gradient(p, loss, near, t, share)


@cases
@weighting
def test_against_reference(isa, dtype, loss, form, weighted):
    for shape in _shapes(loss):
        y, t, w = _arrays(loss, form, dtype, *shape)
        w = w if weighted else None
        y64, t64, w64 = _wide(y, t, w)
        limit, limits = _limits(loss, dtype, y64, t64, w64)
        value = ops.loss_forward(loss, y, t, sample_weight=w)
        expected = reference.loss_forward(loss, y64, t64, sample_weight=w64)
        assert isinstance(value, float)
        assert abs(value - expected) <= limit, (shape, value, expected)
        dy = ops.loss_backward(loss, y, t, sample_weight=w)
        assert dy.dtype == y.dtype
        exact = reference.loss_backward(loss, y64, t64, sample_weight=w64)
        bounds.assert_close(dy, exact, limits, shape)


@cases
def test_far_out(isa, dtype, loss, form):
    """Where terms are large or vanish, and sigmoid and softmax have long saturated."""
    n_out = width(loss, 3)
    t = targets(loss, 40, n_out, dtype, form)
    for scale in (1e-12, 1e-6, 1e-3, 0.1, 30, 80, 1e3, 1e6):
        y = outputs(loss, normal(dtype, 40, n_out, salt="far") * np.array(scale, dtype))
        y64, t64 = _wide(y, t)
        with np.errstate(all="ignore"):
            expected = reference.loss_forward(loss, y64, t64)
            exact = reference.loss_backward(loss, y64, t64)
            if not np.abs([expected, *exact.ravel()]).max() < np.finfo(dtype).max / 1e4:
                continue  # exp of it is infinite
            limit, limits = _limits(loss, dtype, y64, t64, None)
        value = ops.loss_forward(loss, y, t)
        assert abs(value - expected) <= limit, (scale, value, expected)
        bounds.assert_close(ops.loss_backward(loss, y, t), exact, limits, scale)


# Of one output, in u of the magnitude of the terms of value and slope: docs/numerics.md says it.
ACCURACY = {"gaussian_nll": (4, 8)}


@cases
def test_accuracy(isa, dtype, loss, form):
    """Means over the outputs, one output at a time; of the losses of whole rows, which are sums, a
    share of their bounds."""
    single = loss.kind in _loss_bounds._MEANS
    n, n_out = 1024, loss.per_target if single else width(loss, 5)
    p, value, slope = _bounds.precision(dtype), reference_loss.samples, reference_loss.backward
    wide = np.float64 if dtype == "float32" else np.longdouble
    of_value, of_slope = ACCURACY.get(loss.kind, (4, 4))
    for scale in (1e-3, 0.1, 1, 3, 10):
        y = outputs(loss, normal(dtype, n, n_out, scale=scale, salt="accuracy"))
        t = targets(loss, n, n_out, dtype, form)
        y_wide, t_wide = (a if a.dtype.kind == "i" else a.astype(wide) for a in (y, t))
        exact = slope(loss, y_wide, t_wide, np.ones(n)) * n
        got = ops.loss_backward(loss, y, t).astype(wide) * n
        rows = range(0, n, 8)
        values = np.array([ops.loss_forward(loss, y[i : i + 1], t[i : i + 1]) for i in rows])
        error = np.abs(values - value(loss, y_wide, t_wide)[::8])
        near, (t64,) = _bounds.exact(y), _wide(t)
        if single:
            each = _loss_bounds._MEANS[loss.kind](loss, near, t64)
            limit = of_value * p.eps / 2 * np.mean(each.terms, axis=1)
            limits = of_slope * p.eps / 2 * each.slope_terms / n_out
        else:
            limit = _loss_bounds.rows(p, loss, near, t64) / 2
            limits = _loss_bounds.gradient(p, loss, near, t64, np.ones(n)) / 2
        assert (error <= limit[::8] + p.least).all(), scale
        bounds.assert_close(got.astype(np.float64), exact, limits + n * p.tiny, scale)


@pytest.mark.parametrize("loss", losses.TABLE)
def test_a_name_means_the_defaults(isa, dtype, loss):
    made = losses.TABLE[loss]()
    form = ROWS if made.takes(labels=False) else LABELS
    y, t, _ = _arrays(made, form, dtype, 5, width(made, 3))
    for run in (ops, reference):
        assert run.loss_forward(loss, y, t) == run.loss_forward(made, y, t)
        same = run.loss_backward(loss, y, t) == run.loss_backward(made, y, t)
        assert same.all()


@cases
def test_weights_that_sum_to_zero(isa, dtype, loss, form):
    y, t, w = _arrays(loss, form, dtype, 5, width(loss, 19))
    for run in (ops, reference):
        assert run.loss_forward(loss, y, t, sample_weight=0 * w) == 0
        dy = run.loss_backward(loss, y, t, sample_weight=0 * w)
        assert dy.tobytes() == np.zeros_like(y).tobytes()


@cases
def test_no_samples(isa, dtype, loss, form):
    n_out = width(loss, 3)
    y, t, w = _arrays(loss, form, dtype, 0, n_out)
    for run, weight in itertools.product((ops, reference), (None, w)):
        assert run.loss_forward(loss, y, t, sample_weight=weight) == 0
        assert run.loss_backward(loss, y, t, sample_weight=weight).shape == (0, n_out)


@cases
@pytest.mark.parametrize("weight", ["least", "small", "large"])
def test_weights_at_the_ends(isa, dtype, loss, form, weight):
    """Only the ratios of weights count, be they subnormal or huge."""
    info = np.finfo(dtype)
    scale = {"least": info.smallest_subnormal, "small": info.tiny, "large": info.max / 64}[weight]
    y, t, _ = _arrays(loss, form, dtype, 6, width(loss, 5))
    w = np.array([1, 0, 3, 2, 0, 5], dtype)
    expected = ops.loss_backward(loss, y, t, sample_weight=w)
    rtol = 8 * bounds.eps(dtype)
    atol = rtol * max(1.0, float(np.abs(expected).max()))
    for run in (ops, reference):
        dy = run.loss_backward(loss, y, t, sample_weight=w * info.dtype.type(scale))
        np.testing.assert_allclose(dy, expected, rtol, atol, err_msg=run.__name__)


@cases
def test_special_values(isa, dtype, loss, form):
    """Every special value as an output, beside plain ones and beside every other."""
    values, n_out = special.values(dtype), width(loss, 19)
    for column in (0, 8, n_out - 1):
        y = np.tile(np.linspace(-2, 3, n_out).astype(dtype), (len(values), 1))
        y[:, column] = values
        _same_kinds(loss, outputs(loss, y), targets(loss, len(y), n_out, dtype, form))
    y = _pairs(values)[:, np.arange(width(loss, 2)) % 2]
    _same_kinds(loss, outputs(loss, y), targets(loss, len(y), y.shape[1], dtype, form))


def _pairs(values):
    return np.array(list(itertools.product(values, values[::3])))


# Those whose targets may be any number.
ANY = [loss for loss in LOSSES if loss.targets in ("numbers", "counts", "shares", "classes")]


@pytest.mark.parametrize("loss", ANY, ids=shown)
def test_special_targets(isa, dtype, loss):
    pairs, n_out = _pairs(special.values(dtype)), width(loss, 3)
    n_targets = n_out // loss.per_target
    t = np.pad(pairs, ((0, 0), (1, 0)))[:, -n_targets:]
    y = outputs(loss, np.linspace(-2, 3, n_out).astype(dtype)[None])
    _same_kinds(loss, np.repeat(y, len(t), axis=0), np.repeat(t, loss.per_target, axis=1))


def _same_kinds(loss, y, t):
    """Of the loss of each row, and of all slopes."""
    rows = [slice(i, i + 1) for i in range(len(y))]
    with np.errstate(all="ignore"):
        got = np.array([ops.loss_forward(loss, y[row], t[row]) for row in rows])
        expected = reference_loss.samples(loss, y, t)
    most = np.finfo(y.dtype).max / 100  # beyond it a sum over the outputs may overflow in either
    got, expected = (a.clip(-most, most) for a in (got, expected))
    special.assert_same_kinds(got, expected, (loss, y, t))
    pair = (run.loss_backward(loss, y, t) for run in (ops, reference))
    got, expected = (np.where(np.abs(a) < 1e-3, 0, a) for a in pair)  # signs of rounding errors
    special.assert_same_kinds(got, expected, (loss, y, t))


def test_known_values(isa, dtype):
    """What stable formulas give where naive ones overflow or round to nothing."""
    row = np.array([[1000.0, 0.0, -1000.0]], dtype)
    label = np.array([1])
    one = np.array([[1.0]], dtype)
    big = 1000 * one
    for run in (ops, reference):
        assert run.loss_forward("cross_entropy", row, label) == 1000
        assert run.loss_forward("cross_entropy", row, np.array([0])) == 0
        dy = run.loss_backward("cross_entropy", row, label)
        np.testing.assert_array_equal(dy, np.array([[1, -1, 0]], dtype))
        assert run.loss_forward("binary_cross_entropy", big, one) == 0
        assert run.loss_forward("binary_cross_entropy", -big, one) == 1000
        assert 0 < run.loss_forward("binary_cross_entropy", 40 * one, one) < 1e-17
        assert run.loss_forward("mse", one, -one) == 4
        np.testing.assert_array_equal(run.loss_backward("mse", one, -one), 4 * one)
        # a class of probability 0 costs nothing where it is not the target
        minus = np.array([[0.0, -np.inf, 0.0]], dtype)
        hot = np.array([[1.0, 0.0, 0.0]], dtype)
        half = np.array(np.log(np.array(2, dtype)), dtype)
        for t in (np.array([0]), hot):
            got = run.loss_forward("cross_entropy", minus, t)
            assert abs(got - half) <= 2 * bounds.eps(dtype), (run.__name__, t)
        assert run.loss_forward("kl_divergence", minus, hot) == got
        assert run.loss_forward("focal", row, label) == 250
        assert run.loss_forward("focal", row, np.array([0])) == 0
        assert run.loss_forward("binary_focal", -big, one) == 250
        assert run.loss_forward("binary_focal", -big, 0 * one) == 0
        assert run.loss_forward("log_cosh", big * 1e6, one) == pytest.approx(1e9, rel=1e-6)
        tiny = np.array(2.0**-40, dtype)
        assert run.loss_forward("log_cosh", tiny * one, 0 * one) == 2.0**-81
        assert run.loss_forward("huber", -big, one) == 1000.5
        assert run.loss_forward("categorical_hinge", row, label) == 1001
        np.testing.assert_array_equal(
            run.loss_backward("categorical_hinge", row, label), np.array([[1, -1, 0]], dtype)
        )
        nothing = np.zeros((1, 3), dtype)
        assert run.loss_forward("cosine", nothing, row) == 1
        assert np.isfinite(run.loss_backward("cosine", nothing, row)).all()
        rate = losses.Poisson(log_input=False)
        assert run.loss_forward(rate, 0 * one, 0 * one) == 0
        assert run.loss_forward(rate, 0 * one, one) == pytest.approx(-np.log(1e-8), rel=1e-6)
        assert run.loss_backward(rate, 0 * one, one) == pytest.approx(-1e8, rel=1e-6)
        for side in (0.0, 1.0):  # at the kink neither side counts
            level = losses.Quantile((0.1, 0.9))
            pair = np.full((1, 2), side, dtype)
            assert not run.loss_backward("mae", pair, pair).any()
            assert not run.loss_backward(level, pair, pair).any()


@pytest.mark.parametrize("n", [3, 40])
def test_smoothing_of_the_largest_number(isa, dtype, n):
    """Finite where its share is, and rows beside it keep their bits."""
    smooth, largest = losses.CrossEntropy(label_smoothing=0.9), np.finfo(dtype).max
    y = np.random.default_rng(0).normal(size=(16, n)).astype(dtype)
    y[15, 0] = largest
    labels, others = np.zeros(16, int), (np.arange(16) < 15).astype(dtype)
    for run in (ops, reference):
        got = run.loss_forward(smooth, y[15:], labels[15:])
        assert got == pytest.approx(0.9 * (n - 1) / n * largest, rel=1e-5)
    alone = ops.loss_forward(smooth, y[:15], labels[:15])
    assert ops.loss_forward(smooth, y, labels, sample_weight=others) == alone


def test_flush(isa, dtype):
    """Slopes below the threshold are +0, those at it stay; in both backends."""
    tiny = np.array(bounds.tiny(dtype), dtype)
    below = np.nextafter(tiny, np.array(0, dtype))
    y = np.array([[tiny, below, -tiny, -below]], dtype)
    for run in (ops, reference):
        dy = run.loss_backward("mse", y * 2, np.zeros_like(y))  # 2 (2 y) / 4 = y
        assert dy.tobytes() == np.array([[tiny, 0, -tiny, 0]], dtype).tobytes(), run.__name__


@cases
def test_no_slope_is_below_the_threshold(isa, dtype, loss, form):
    y, t, w = _arrays(loss, form, dtype, 33, width(loss, 19))
    w[5:] *= np.array(bounds.tiny(dtype), dtype)
    for run in (ops, reference):
        dy = run.loss_backward(loss, y, t, sample_weight=w)
        small = np.abs(dy[5:])
        assert (small[small != 0] >= bounds.tiny(dtype)).all()
        assert not np.signbit(dy[dy == 0]).any()


@cases
@weighting
def test_guarded(isa, dtype, loss, form, weighted):
    for shape in _shapes(loss):
        y, t, w = _arrays(loss, form, dtype, *shape)
        w = w if weighted else None
        for gradient in (True, False):
            guard = Guard()
            dy = guard.output(dtype, *shape) if gradient else None
            labels = guard.input(t) if form == LABELS else None
            dense = guard.input(t) if form == ROWS else None
            weight = None if w is None else guard.input(w)
            value = _fast.loss_backward(
                dtype, loss, *shape, guard.input(y), labels, dense, weight, dy
            )
            guard.check((loss, shape))
            assert value == ops.loss_forward(loss, y, t, sample_weight=w), shape
            if dy is not None:
                expected = ops.loss_backward(loss, y, t, sample_weight=w)
                assert dy.tobytes() == expected.tobytes(), shape


@cases
def test_bad_buffers(isa, dtype, loss, form):
    shape = (4, width(loss, 3))
    y, t, w = _arrays(loss, form, dtype, *shape)
    chosen = {"labels": t, "dense": None} if form == LABELS else {"labels": None, "dense": t}
    inputs = {"y": y, **chosen, "weight": w}
    head = (dtype, loss, *shape)
    refuse_bad_buffers(_fast.loss_backward, head, inputs, {"dy": np.ones_like(y)})
    other = (np.zeros(4, np.int64), None) if form == ROWS else (None, np.ones_like(y))
    both = (np.zeros(4, np.int64), np.ones_like(y))
    wrong = [(None, None), both, *([other] if not loss.takes(form == ROWS) else [])]
    for bad in wrong:
        with pytest.raises(ValueError, match="targets"):
            _fast.loss_backward(*head, y, *bad, w, np.ones_like(y))


@cases
def test_same_bits(dtype, loss, form, bits_on_every_isa):
    shapes = _shapes(loss)

    def run():
        for shape in shapes:
            y, t, w = _arrays(loss, form, dtype, *shape)
            for weight in (None, w):
                value = ops.loss_forward(loss, y, t, sample_weight=weight)
                dy = ops.loss_backward(loss, y, t, sample_weight=weight)
                yield hashlib.sha256(value.hex().encode() + dy.tobytes()).digest()

    bits_on_every_isa(run, [shape for shape in shapes for _ in range(2)])
