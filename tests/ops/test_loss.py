"""Losses: fast against reference, for every name in _check.LOSSES and every kind of target."""

import hashlib
import itertools

import numpy as np
import pytest

from deltarule import _fast, ops, reference
from deltarule._check import LOSSES

from . import bounds, special
from .guard import Guard, refuse_bad_buffers
from .sizes import normal, rectangles

SHAPES = [(n, m) for n, m in rectangles() if m] + [(129, 5), (33, 1)]
# Integer labels go with cross_entropy only.
CASES = [
    pytest.param(loss, target, id=f"{loss}-{target}")
    for loss, target in itertools.product(LOSSES, ("dense", "labels"))
    if target == "dense" or loss == "cross_entropy"
]
cases = pytest.mark.parametrize(("loss", "target"), CASES)
weighting = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])


def _arrays(target, dtype, n, n_out):
    """y, t, w: targets that do not sum to 1, weights with zeros among them."""
    y, w = normal(dtype, n, n_out, scale=3), np.abs(normal(dtype, n, salt="w"))
    w[::4] = 0
    if target == "labels":
        return y, np.random.default_rng(n_out).integers(0, n_out, n), w
    t = np.abs(normal(dtype, n, n_out, salt="t"))
    t[:, ::3] = 0
    return y, t, w


def _wide(*arrays):
    return [a if a is None or a.dtype.kind == "i" else a.astype(np.float64) for a in arrays]


def _bounds(dtype, y, t, w):
    """(of the loss, of dy) for exact arguments. A sample's loss and slope are sums of n_out terms,
    each some operations on numbers no larger than (|y| + |t| + log n_out + 1)^2, times the mass of
    the targets; weights divide by their sum, and the samples are summed in float64."""
    if not y.size:
        return 0.0, np.zeros_like(y)
    n_out = y.shape[1]
    hot = np.eye(n_out)[t] if t.ndim == 1 else t
    mass = 1 + np.abs(hot).sum(axis=1, keepdims=True)
    top = np.abs(y).max(axis=1, keepdims=True) + np.abs(hot).max(axis=1, keepdims=True)
    size = (top + np.log(n_out) + 1) ** 2 * mass
    w = np.ones(len(y)) if w is None else w
    share = w / w.sum() if w.sum() else w
    value = (n_out + 8) * bounds.eps(dtype) * float(np.sum(share[:, None] * size))
    slope = (n_out + 8) * bounds.eps(dtype) * share[:, None] * (top + 1) * mass
    return value, np.broadcast_to(slope, y.shape) + bounds.tiny(dtype)


@cases
@weighting
def test_against_reference(isa, dtype, loss, target, weighted):
    for shape in SHAPES:
        y, t, w = _arrays(target, dtype, *shape)
        w = w if weighted else None
        y64, t64, w64 = _wide(y, t, w)
        limit, limits = _bounds(dtype, y64, t64, w64)
        value = ops.loss_forward(loss, y, t, sample_weight=w)
        expected = reference.loss_forward(loss, y64, t64, sample_weight=w64)
        assert isinstance(value, float)
        assert abs(value - expected) <= limit, (loss, shape, value, expected)
        dy = ops.loss_backward(loss, y, t, sample_weight=w)
        assert dy.dtype == y.dtype
        exact = reference.loss_backward(loss, y64, t64, sample_weight=w64)
        bounds.assert_close(dy, exact, limits, (loss, shape))


@cases
def test_weights_that_sum_to_zero(isa, dtype, loss, target):
    y, t, w = _arrays(target, dtype, 5, 19)
    for run in (ops, reference):
        assert run.loss_forward(loss, y, t, sample_weight=0 * w) == 0
        dy = run.loss_backward(loss, y, t, sample_weight=0 * w)
        assert dy.tobytes() == np.zeros_like(y).tobytes()


@cases
def test_no_samples(isa, dtype, loss, target):
    y, t, w = _arrays(target, dtype, 0, 3)
    for run, weight in itertools.product((ops, reference), (None, w)):
        assert run.loss_forward(loss, y, t, sample_weight=weight) == 0
        assert run.loss_backward(loss, y, t, sample_weight=weight).shape == (0, 3)


@cases
@pytest.mark.parametrize("weight", ["least", "small", "large"])
def test_weights_at_the_ends(isa, dtype, loss, target, weight):
    """Only the ratios of weights count, be they subnormal or huge."""
    info = np.finfo(dtype)
    scale = {"least": info.smallest_subnormal, "small": info.tiny, "large": info.max / 64}[weight]
    y, t, _ = _arrays(target, dtype, 6, 5)
    w = np.array([1, 0, 3, 2, 0, 5], dtype)
    expected = ops.loss_backward(loss, y, t, sample_weight=w)
    rtol = 8 * bounds.eps(dtype)
    for run in (ops, reference):
        dy = run.loss_backward(loss, y, t, sample_weight=w * info.dtype.type(scale))
        np.testing.assert_allclose(dy, expected, rtol, rtol, err_msg=run.__name__)


@cases
def test_special_values(isa, dtype, loss, target):
    """Every special value as an output, beside plain ones and beside every other."""
    values = special.values(dtype)
    _, t, _ = _arrays(target, dtype, len(values), 19)
    for column in (0, 8, 18):
        y = np.tile(np.linspace(-2, 3, 19).astype(dtype), (len(values), 1))
        y[:, column] = values
        _same_kinds(loss, y, t)
    for pair in itertools.product(values, values):
        _same_kinds(loss, np.array([pair], dtype), t[:1] % 2 if t.ndim == 1 else t[:1, :2])


@pytest.mark.parametrize("loss", LOSSES)
def test_special_targets(isa, dtype, loss):
    values = special.values(dtype)
    y = np.linspace(-2, 3, 3).astype(dtype)[None]
    for pair in itertools.product(values, values):
        _same_kinds(loss, y, np.array([[0, *pair]], dtype))


def _same_kinds(loss, y, t):
    with np.errstate(all="ignore"):
        got, expected = (np.array(run.loss_forward(loss, y, t)) for run in (ops, reference))
    if y.dtype == np.float32:  # a sum of samples may leave the range of float32, in both
        got, expected = (a.clip(-1e30, 1e30) if np.isfinite(a) else a for a in (got, expected))
    special.assert_same_kinds(got, expected, (loss, y, t))
    pair = (run.loss_backward(loss, y, t) for run in (ops, reference))
    got, expected = (np.where(np.abs(a) < 1e-3, 0, a) for a in pair)  # signs of rounding errors
    special.assert_same_kinds(got, expected, (loss, y, t))


def test_known_values(isa, dtype):
    """What stable formulas give where naive ones overflow or round to nothing."""
    row = np.array([[1000.0, 0.0, -1000.0]], dtype)
    label = np.array([1])
    one = np.array([[1.0]], dtype)
    for run in (ops, reference):
        assert run.loss_forward("cross_entropy", row, label) == 1000
        assert run.loss_forward("cross_entropy", row, np.array([0])) == 0
        dy = run.loss_backward("cross_entropy", row, label)
        np.testing.assert_array_equal(dy, np.array([[1, -1, 0]], dtype))
        big = np.array([[1000.0]], dtype)
        assert run.loss_forward("binary_cross_entropy", big, one) == 0
        assert run.loss_forward("binary_cross_entropy", -big, one) == 1000
        assert 0 < run.loss_forward("binary_cross_entropy", np.array([[40.0]], dtype), one) < 1e-17
        assert run.loss_forward("mse", one, -one) == 4
        np.testing.assert_array_equal(run.loss_backward("mse", one, -one), 4 * one)
        # a class of probability 0 costs nothing where it is not the target
        minus = np.array([[0.0, -np.inf, 0.0]], dtype)
        hot = np.array([[1.0, 0.0, 0.0]], dtype)
        half = np.array(np.log(np.array(2, dtype)), dtype)
        for t in (np.array([0]), hot):
            got = run.loss_forward("cross_entropy", minus, t)
            assert abs(got - half) <= 2 * bounds.eps(dtype), (run.__name__, t)


def test_flush(isa, dtype):
    """Slopes below the threshold are +0, those at it stay; in both backends."""
    tiny = np.array(bounds.tiny(dtype), dtype)
    below = np.nextafter(tiny, np.array(0, dtype))
    y = np.array([[tiny, below, -tiny, -below]], dtype)
    for run in (ops, reference):
        dy = run.loss_backward("mse", y * 2, np.zeros_like(y))  # 2 (2 y) / 4 = y
        assert dy.tobytes() == np.array([[tiny, 0, -tiny, 0]], dtype).tobytes(), run.__name__


@cases
@weighting
def test_guarded(isa, dtype, loss, target, weighted):
    for shape in SHAPES:
        y, t, w = _arrays(target, dtype, *shape)
        w = w if weighted else None
        for gradient in (True, False):
            guard = Guard()
            dy = guard.output(dtype, *shape) if gradient else None
            labels = guard.input(t) if target == "labels" else None
            dense = guard.input(t) if target == "dense" else None
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
def test_bad_buffers(isa, dtype, loss, target):
    shape = (4, 3)
    y, t, w = _arrays(target, dtype, *shape)
    targets = {"labels": t, "dense": None} if target == "labels" else {"labels": None, "dense": t}
    inputs = {"y": y, **targets, "weight": w}
    head = (dtype, loss, *shape)
    refuse_bad_buffers(_fast.loss_backward, head, inputs, {"dy": np.ones_like(y)})
    with pytest.raises(ValueError, match="targets"):
        _fast.loss_backward(*head, y, None, None, w, np.ones_like(y))


@cases
def test_same_bits(dtype, loss, target, bits_on_every_isa):
    def run():
        for shape in SHAPES:
            y, t, w = _arrays(target, dtype, *shape)
            for weight in (None, w):
                value = ops.loss_forward(loss, y, t, sample_weight=weight)
                dy = ops.loss_backward(loss, y, t, sample_weight=weight)
                yield hashlib.sha256(value.hex().encode() + dy.tobytes()).digest()

    bits_on_every_isa(run, [shape for shape in SHAPES for _ in range(2)])
