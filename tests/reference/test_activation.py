"""Activations: hand values, limits, and derivatives against central differences."""

import warnings

import numpy as np
import pytest

from deltarule import _check
from deltarule.reference import activation_backward, activation_forward
from deltarule.reference.activation import flush

INF, NAN = np.inf, np.nan
RTOL = {"selu": 1e-8}  # the constants above have so many digits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("identity", [-2.0, 0.0, 3.0], [-2.0, 0.0, 3.0]),
        ("relu", [-2.0, 0.0, 3.0], [0.0, 0.0, 3.0]),
        ("leaky_relu", [-2.0, 0.0, 3.0], [-0.02, 0.0, 3.0]),
        # 1 / (1 + e^-ln 3) = 1 / (1 + 1/3)
        ("sigmoid", [-np.log(3), 0.0, np.log(3)], [0.25, 0.5, 0.75]),
        # (e^a - e^-a) / (e^a + e^-a) with e^a = 3: (3 - 1/3) / (3 + 1/3) = 8/10
        ("tanh", [-np.log(3), 0.0, np.log(3)], [-0.8, 0.0, 0.8]),
        ("elu", [-np.log(2), 0.0, 3.0], [-0.5, 0.0, 3.0]),
        ("celu", [-np.log(2), 0.0, 3.0], [-0.5, 0.0, 3.0]),
        ("selu", [-np.log(2), 0.0, 1.0], [-0.87904967, 0.0, 1.05070099]),
        # 84.1344746 % of all normal numbers are below 1
        ("gelu", [-1.0, 0.0, 1.0], [-0.15865525393145705, 0.0, 0.8413447460685429]),
        ("gelu_tanh", [-1.0, 0.0, 1.0], [-0.15880800939172324, 0.0, 0.8411919906082768]),
        ("silu", [-np.log(3), 0.0, np.log(3)], [-0.25 * np.log(3), 0.0, 0.75 * np.log(3)]),
        # tanh(log(1 + 1/3)) = (16/9 - 1) / (16/9 + 1) = 7/25, tanh(log 4) = 15/17
        ("mish", [-np.log(3), 0.0, np.log(3)], [-0.28 * np.log(3), 0.0, 15 / 17 * np.log(3)]),
        ("softplus", [-np.log(3), 0.0, np.log(3)], [np.log(4 / 3), np.log(2), np.log(4)]),
        ("softsign", [-3.0, 0.0, 1.0], [-0.75, 0.0, 0.5]),
        ("hard_sigmoid", [-4.0, -1.5, 0.0, 3.0], [0.0, 0.25, 0.5, 1.0]),
        ("hard_swish", [-3.0, -1.5, 0.0, 3.0], [0.0, -0.375, 0.0, 3.0]),
        ("exp", [-np.log(2), 0.0, np.log(3)], [0.5, 1.0, 3.0]),
        ("log_softmax", [0.0, np.log(2), np.log(5)], [-np.log(8), -np.log(4), np.log(0.625)]),
        # 1, 2, 5 over their sum
        ("softmax", [0.0, np.log(2), np.log(5)], [0.125, 0.25, 0.625]),
    ],
)
def test_hand_values(name, x, expected, dtype):
    y = activation_forward(name, np.array(x, dtype))
    assert y.dtype == dtype
    rtol = max(RTOL.get(name, 0), 4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(y, np.array(expected, dtype), rtol=rtol)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("identity", [NAN, INF, -INF], [NAN, INF, -INF]),
        ("relu", [NAN, INF, -INF], [NAN, INF, 0.0]),
        ("leaky_relu", [NAN, INF, -INF], [NAN, INF, -INF]),
        ("sigmoid", [NAN, INF, -INF, 1000.0, -1000.0], [NAN, 1.0, 0.0, 1.0, 0.0]),
        ("tanh", [NAN, INF, -INF, 1000.0, -1000.0], [NAN, 1.0, -1.0, 1.0, -1.0]),
        ("softmax", [1000.0, -1000.0, -INF], [1.0, 0.0, 0.0]),
        ("log_softmax", [1000.0, -1000.0, -INF], [0.0, -2000.0, -INF]),
        ("log_softmax", [1000.0, NAN, 0.0], [NAN, NAN, NAN]),
        ("elu", [NAN, INF, -INF], [NAN, INF, -1.0]),
        ("celu", [NAN, INF, -INF], [NAN, INF, -1.0]),
        *((name, [NAN, INF, -INF, -1e30], [NAN, INF, 0.0, 0.0])
          for name in ("gelu", "gelu_tanh", "silu", "mish", "hard_swish", "softplus")),
        ("softsign", [NAN, INF, -INF], [NAN, 1.0, -1.0]),
        ("hard_sigmoid", [NAN, INF, -INF], [NAN, 1.0, 0.0]),
        ("exp", [NAN, INF, -INF, 1000.0], [NAN, INF, 0.0, INF]),
        ("softmax", [1000.0, NAN, 0.0], [NAN, NAN, NAN]),
    ],
)
def test_extreme_values(name, x, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(activation_forward(name, np.array(x)), expected)


def test_relu_has_no_negative_zero():
    y = activation_forward("relu", np.array([-0.0, -5.0, -1e-300]))
    assert not np.signbit(y).any()


def test_sigmoid_keeps_small_probabilities():
    # 1 / (1 + e^50) is e^-50 to 22 digits; 1 - 1 / (1 + e^-50) would be 0
    y = activation_forward("sigmoid", np.array([-50.0]))
    np.testing.assert_allclose(y, np.exp(-50.0), rtol=1e-15)


@pytest.mark.parametrize("name", _check.ACTIVATIONS)
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 5)])
def test_derivative_is_the_central_difference(name, shape, agree):
    rng = np.random.default_rng(1)
    x = rng.uniform(0.1, 2, shape) * rng.choice([-1, 1], shape)  # away from the kink at 0
    dy = rng.standard_normal(shape)
    alpha = 0.3 if name in _check._ALPHAS else None
    dx = activation_backward(name, x, activation_forward(name, x, alpha=alpha), dy, alpha=alpha)
    agree(dx, lambda x: np.sum(dy * activation_forward(name, x, alpha=alpha)), x)


def test_backward_hand_values():
    def of(name, y, **alpha):
        return activation_backward(name, x, np.array(y), dy, **alpha).tolist()

    x, dy = np.zeros(2), np.array([3.0, 10.0])
    assert of("identity", [7.0, 8.0]) == [3.0, 10.0]
    assert of("relu", [0.0, 8.0]) == [0.0, 10.0]  # 0 at the kink
    assert of("leaky_relu", [-1.0, 8.0], alpha=0.5) == [1.5, 10.0]
    assert of("sigmoid", [0.5, 0.5]) == [0.75, 2.5]  # 3/4, 10/4
    assert of("tanh", [0.5, -0.5]) == [2.25, 7.5]  # 3/4 of each
    # sum dy y = 0.25 * 3 + 0.75 * 10 = 8.25; 0.25 (3 - 8.25) and 0.75 (10 - 8.25)
    assert of("softmax", [0.25, 0.75]) == [-1.3125, 1.3125]


@pytest.mark.parametrize(("dtype", "tiny"), [("float32", 2.0**-100), ("float64", 2.0**-1000)])
def test_flush(dtype, tiny):
    v = np.array([tiny, -tiny, tiny / 2, -tiny / 2, 0.0, -0.0, NAN, INF, -INF], dtype)
    with np.errstate(invalid="ignore"):
        flushed = flush(v)
    assert flushed.dtype == dtype
    np.testing.assert_array_equal(flushed, [tiny, -tiny, 0, 0, 0, 0, NAN, INF, -INF])
    assert not np.signbit(flushed[2:6]).any()
    dx = activation_backward("identity", v, v, v)
    np.testing.assert_array_equal(dx, flushed)


@pytest.mark.parametrize("name", _check.ACTIVATIONS)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (1,), (1, 1)])
def test_small_shapes(name, shape):
    x = np.zeros(shape, np.float32)
    y = activation_forward(name, x)
    assert y.shape == shape
    assert activation_backward(name, x, y, x).shape == shape


@pytest.mark.parametrize("name", _check.ACTIVATIONS)
def test_inputs_are_left_alone_and_results_are_new(name):
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    given = np.asfortranarray(x)
    given.flags.writeable = False
    y = activation_forward(name, given)
    assert y.flags.c_contiguous
    assert y.flags.writeable
    assert not np.shares_memory(y, given)
    np.testing.assert_array_equal(y, activation_forward(name, x))
    dx = activation_backward(name, x, x, x)
    assert not np.shares_memory(dx, x)


def test_bad_calls():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        activation_forward("rleu", x)
    with pytest.raises(ValueError, match="alpha is not a parameter"):
        activation_forward("tanh", x, alpha=0.1)
    with pytest.raises(TypeError, match="x must be float32 or float64"):
        activation_forward("tanh", x.astype(int))
    with pytest.raises(ValueError, match="x must have at least 1 dimension"):
        activation_forward("tanh", np.float64(1))
    with pytest.raises(ValueError, match=r"dy must have shape \(2, 3\)"):
        activation_backward("tanh", x, x, x[:1])
    with pytest.raises(TypeError, match="y must have the dtype of x"):
        activation_backward("tanh", x, x.astype("f4"), x)
