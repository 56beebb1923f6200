"""Dense layers: fast against reference, over shapes around every edge of the product's tiles."""

import hashlib
import itertools

import numpy as np
import pytest

from deltarule import _check, _fast, ops, reference
from deltarule._check import ACTIVATIONS

from . import bounds
from .guard import Guard, refuse_bad_buffers
from .sizes import normal, triples

SLOPE = 0.01
SHAPES = triples()


def _arrays(dtype, n, n_in, n_out):
    """x, w, b, dy, with column scales that tell every k from every other."""
    x, w = normal(dtype, n, n_in, salt="x"), normal(dtype, n_in, n_out, salt="w")
    return x, w, normal(dtype, n_out, salt="b"), normal(dtype, n, n_out, salt="dy")


def _assert_forward(dtype, shape, activation, with_bias=True, **alpha):
    x, w, b, _ = _arrays(dtype, *shape)
    bias = b if with_bias else None
    wide = [None if a is None else a.astype(np.float64) for a in (x, w, bias)]
    z = reference.dense_forward(*wide)
    exact = reference.dense_forward(*wide, activation=activation, **alpha)
    magnitude = reference.dense_forward(*(None if a is None else np.abs(a) for a in wide))
    error = bounds.products(dtype, shape[1], magnitude)
    y = ops.dense_forward(x, w, bias, activation=activation, **alpha)
    assert y.dtype == x.dtype
    bound = bounds.after_activation(activation, dtype, z, exact, error, **alpha)
    bounds.assert_close(y, exact, bound, (activation, shape, with_bias))
    return y


def _assert_backward(dtype, shape, activation, **alpha):
    x, w, b, dy = _arrays(dtype, *shape)
    z = reference.dense_forward(x, w, b)
    y = reference.activation_forward(activation, z, **alpha)
    *wide, wide_z = (a.astype(np.float64) for a in (x, w, y, dy, z))
    exact = reference.dense_backward(*wide, z=wide_z, activation=activation, **alpha)
    got = ops.dense_backward(x, w, y, dy, z=z, activation=activation, **alpha)
    # dz is rounded before the products, and they carry its error on
    dz = reference.activation_backward(activation, wide_z, *wide[2:], **alpha)
    error = bounds.activation_slope(activation, dtype, wide_z, *wide[2:], **alpha)
    size = np.abs(dz) + error
    n, _, n_out = shape
    rows, weight = np.abs(wide[0]), np.abs(wide[1])
    limits = (
        bounds.products(dtype, n_out, size @ weight.T) + error @ weight.T,
        bounds.products(dtype, n, rows.T @ size) + rows.T @ error,
        bounds.products(dtype, n, size.sum(axis=0)) + error.sum(axis=0),
    )
    for name, a, e, limit in zip(("dx", "dw", "db"), got, exact, limits, strict=True):
        assert a.dtype == x.dtype
        bounds.assert_close(a, e, limit, (name, activation, shape))


def test_forward(isa, dtype):
    for shape in SHAPES:
        _assert_forward(dtype, shape, "identity")


def test_forward_without_bias(isa, dtype):
    for shape in SHAPES[::3]:
        y = _assert_forward(dtype, shape, "identity", with_bias=False)
        x, w, b, _ = _arrays(dtype, *shape)
        zero = ops.dense_forward(x, w, np.zeros_like(b))
        assert y.tobytes() == zero.tobytes(), shape


def _some(activation):
    """All activations together see all shapes."""
    return SHAPES[ACTIVATIONS.index(activation) :: len(ACTIVATIONS)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_of_every_activation(isa, dtype, activation):
    for shape in _some(activation):
        y = _assert_forward(dtype, shape, activation)
        # the activation is the one of activation_forward, to the last bit
        apart = ops.activation_forward(activation, ops.dense_forward(*_arrays(dtype, *shape)[:3]))
        assert y.tobytes() == apart.tobytes(), (activation, shape)


def test_backward(isa, dtype):
    for shape in SHAPES:
        _assert_backward(dtype, shape, "identity")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backward_of_every_activation(isa, dtype, activation):
    for shape in _some(activation):
        _assert_backward(dtype, shape, activation)


@pytest.mark.parametrize("activation", _check._ALPHAS)
def test_alpha_is_handed_on(isa, dtype, activation):
    _assert_forward(dtype, (5, 19, 37), activation, alpha=0.5)
    _assert_backward(dtype, (5, 19, 37), activation, alpha=0.5)


@pytest.mark.parametrize("activation", sorted(_check.NEED_INPUT))
def test_what_needs_its_input_says_so(dtype, activation):
    x, w, _, dy = _arrays(dtype, 3, 4, 5)
    for module in (ops, reference):
        with pytest.raises(ValueError, match=f"z, what '{activation}' is applied to, is needed"):
            module.dense_backward(x, w, dy, dy, activation=activation)
        with pytest.raises(ValueError, match=r"z must have shape \(3, 5\), got \(2, 5\)"):
            module.dense_backward(x, w, dy, dy, z=dy[:2], activation=activation)
        with pytest.raises(TypeError, match="z must have the dtype of x"):
            other = dy.astype("float32" if dtype == "float64" else "float64")
            module.dense_backward(x, w, dy, dy, z=other, activation=activation)


def test_whole_numbers_are_exact(isa, dtype):
    """Small integers leave no room for rounding: not a bit may differ, whatever the order."""
    rng = np.random.default_rng(3)
    for n, n_in, n_out in SHAPES:
        x, w, b, dy = (
            rng.integers(-4, 5, s).astype(dtype)
            for s in ((n, n_in), (n_in, n_out), (n_out,), (n, n_out))
        )
        y = ops.dense_forward(x, w, b)
        np.testing.assert_array_equal(y, x @ w + b, str((n, n_in, n_out)))
        for got, expected in zip(
            ops.dense_backward(x, w, y, dy), (dy @ w.T, x.T @ dy, dy.sum(axis=0)), strict=True
        ):
            np.testing.assert_array_equal(got, expected, str((n, n_in, n_out)))


def test_one_chain_of_fma_over_ascending_k(isa, dtype):
    """The written order of summation: 1 is lost beside 2^p, or not, by its place in the row."""
    big = 2.0 ** (26 if dtype == "float32" else 55)
    row = np.zeros((1, 300), dtype)
    for at, expected in ((5, 0.0), (290, 1.0)):
        x = row.copy()
        x[0, [10, 280]] = big, -big  # swallows what was added before, not what comes after
        x[0, at] = 1
        y = ops.dense_forward(x, np.ones((300, 37), dtype))
        np.testing.assert_array_equal(y, np.full_like(y, expected))
        _, dw, db = ops.dense_backward(x.T, np.ones((1, 1), dtype), x.T, np.ones_like(x.T))
        assert dw.item() == expected and db.item() == 300


def test_nan_stays_in_its_row(isa, dtype):
    """A row with NaN or infinity spoils itself and no other; a column of weights likewise."""
    for shape in ((7, 19, 37), (15, 130, 5), (29, 33, 17)):
        for value in (np.nan, np.inf):
            x, w, b, _ = _arrays(dtype, *shape)
            clean = ops.dense_forward(x, w, b)
            x[2, -1] = value
            w[0, -2] = value
            y = ops.dense_forward(x, w, b)
            assert not np.isfinite(y[2]).any() and not np.isfinite(y[:, -2]).any()
            rest = np.ones(y.shape, bool)
            rest[2], rest[:, -2] = False, False
            np.testing.assert_array_equal(y[rest], clean[rest])


@pytest.mark.parametrize("activation", ["identity", "relu", "gelu", "softmax"])
def test_guarded(isa, dtype, activation):
    for shape in SHAPES[::2]:
        n, n_in, n_out = shape
        x, w, b, dy = _arrays(dtype, *shape)
        for bias in (b, None):
            guard = Guard()
            y = guard.output(dtype, n, n_out)
            arrays = [None if a is None else guard.input(a) for a in (x, w, bias)]
            _fast.dense_forward(dtype, activation, SLOPE, *shape, *arrays, y)
            guard.check(shape)
            expected = ops.dense_forward(x, w, bias, activation=activation)
            assert y.tobytes() == expected.tobytes(), shape
        guard = Guard()
        out = [guard.output(dtype, *s) for s in ((n, n_in), (n_in, n_out), (n_out,))]
        z = ops.dense_forward(x, w, b) if activation in _check.NEED_INPUT else None
        arrays = [None if a is None else guard.input(a) for a in (x, w, z, y, dy)]
        _fast.dense_backward(dtype, activation, SLOPE, *shape, *arrays, *out)
        guard.check(shape)
        expected = ops.dense_backward(x, w, y, dy, z=z, activation=activation)
        assert [a.tobytes() for a in out] == [a.tobytes() for a in expected], shape


def test_bad_buffers(isa, dtype):
    shape = (3, 5, 4)
    x, w, b, dy = _arrays(dtype, *shape)
    head = (dtype, "relu", SLOPE, *shape)
    inputs = {"x": x, "w": w, "b": b}
    refuse_bad_buffers(_fast.dense_forward, head, inputs, {"y": np.ones_like(dy)})
    refuse_bad_buffers(_fast.dense_forward, head, {**inputs, "b": None}, {"y": np.ones_like(dy)})
    inputs = {"x": x, "w": w, "z": dy, "y": dy, "dy": dy}
    outputs = {"dx": np.ones_like(x), "dw": np.ones_like(w), "db": np.ones_like(b)}
    refuse_bad_buffers(_fast.dense_backward, head, inputs, outputs)
    with pytest.raises(ValueError, match="gelu needs z"):
        _fast.dense_backward(dtype, "gelu", *head[2:], *{**inputs, "z": None}.values(),
                             *outputs.values())  # fmt: skip


def test_strided_inputs(isa, dtype):
    """Any layout gives the bits of the contiguous one, and inputs are left alone."""
    x, w, b, dy = _arrays(dtype, 6, 35, 9)
    y = ops.dense_forward(x, w, b, activation="tanh")
    strange = [np.asfortranarray(x), np.repeat(w, 2, axis=1)[:, ::2], b[::-1].copy()[::-1]]
    for a in strange:
        a.flags.writeable = False
    assert ops.dense_forward(*strange, activation="tanh").tobytes() == y.tobytes()
    plain = ops.dense_backward(x, w, y, dy, activation="tanh")
    other = ops.dense_backward(*strange[:2], y.T.copy().T, dy, activation="tanh")
    assert [a.tobytes() for a in plain] == [a.tobytes() for a in other]


def test_same_bits(dtype, bits_on_every_isa):
    def run():
        for i, shape in enumerate(SHAPES):
            activation = ACTIVATIONS[i % len(ACTIVATIONS)]
            x, w, b, dy = _arrays(dtype, *shape)
            z = ops.dense_forward(x, w, b)
            y = ops.activation_forward(activation, z)
            gradients = ops.dense_backward(x, w, y, dy, z=z, activation=activation)
            yield hashlib.sha256(b"".join(a.tobytes() for a in (y, *gradients))).digest()

    bits_on_every_isa(run, SHAPES)


ROWS = [(1, 1), (3, 2, 1), (5, 19), (4, 16, 16, 3), (33, 65, 129, 10), (2, 257, 31, 17, 9), (0, 3)]


@pytest.mark.parametrize("widths", ROWS, ids=str)
def test_rows_by_weights_where_they_lie(isa, dtype, widths):
    """To the last bit what layers give one after the other, whatever is left over of vectors."""
    shapes = list(itertools.pairwise(widths))
    acts = ["tanh", "relu", "sigmoid", "tanh"][: len(shapes) - 1]
    acts.append("softmax")
    guard = Guard()
    weights = [guard.input(normal(dtype, *shape, salt=str(shape))) for shape in shapes]
    biases = [guard.input(normal(dtype, n_out, salt="b")) for _, n_out in shapes]
    expected = x = guard.input(normal(dtype, 3, widths[0], salt="x"))
    for each in zip(weights, biases, acts, strict=True):
        expected = ops.dense_forward(expected, *each[:2], activation=each[2])
    y = _fast.dense_rows(x, weights, biases, acts)
    assert y.dtype == expected.dtype and y.tobytes() == expected.tobytes()
    guard.check(widths)


def test_rows_without_memory():
    arguments = np.ones((2, 4)), [np.ones((4, 5))], [np.ones(5)], ["relu"]
    _fast.allocations_fail(0, 1)
    try:
        with pytest.raises(MemoryError):
            _fast.dense_rows(*arguments)
    finally:
        _fast.allocations_fail(0, 0)


def test_rows_refuse_what_is_not_plain():
    x, w, b = np.ones((2, 4)), np.ones((4, 5)), np.ones(5)
    assert _fast.dense_rows(x, [w], [b], ["relu"]) is not None
    many = [np.ones((4, 4))] * 17
    for bad in (
        (np.full((2, 4), np.nan), [w], [b]),
        (-np.full((2, 4), np.inf), [w], [b]),
        (x.astype("float32"), [w], [b]),
        (x.astype(">f8"), [w], [b]),
        (x.astype(int), [w], [b]),
        (x[0], [w], [b]),
        (x[:, :3], [w], [b]),
        (x, [w.astype("float32")], [b]),
        (x, [np.asfortranarray(w)], [b]),
        (x, [w[:3]], [b]),
        (x, [w], [b[:4]]),
        (x, [w], [b.astype(object)]),
        (x, [w], []),
        (x, [], []),
        (x, [np.ones((4, 0))], [np.ones(0)]),
        (x, many, [np.ones(4)] * 17),
    ):
        assert _fast.dense_rows(*bad, ["relu"] * len(bad[1])) is None, bad
