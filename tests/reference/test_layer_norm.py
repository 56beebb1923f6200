"""layer_norm and rms_norm: hand values, and gradients against central differences."""

import numpy as np
import pytest

from deltarule import reference
from deltarule.reference import (
    batch_norm_backward,
    batch_norm_forward,
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)

# rows: mean 3, deviations -2 0 2, variance 8/3; constant
X = np.array([[1.0, 3.0, 5.0], [7.0, 7.0, 7.0]])


def test_layer_norm_hand_values():
    w, b = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0])
    y = layer_norm_forward(X, w, b, eps=1 / 3)
    root = np.sqrt(3)
    np.testing.assert_allclose(y, [[-2 / root, 1, 6 / root], [0, 1, 0]], rtol=1e-15)
    np.testing.assert_allclose(
        layer_norm_forward(X, eps=1 / 3), [[-2 / root, 0, 2 / root], [0, 0, 0]], rtol=1e-15)


def test_layer_norm_is_batch_norm_of_columns():
    """Apart from the parameters, which go with the columns in both."""
    rng = np.random.default_rng(5)
    x, dy = rng.normal(size=(2, 6, 4))
    np.testing.assert_allclose(layer_norm_forward(x), batch_norm_forward(x.T)[0].T, rtol=1e-12)
    dx = layer_norm_backward(x, None, dy)[0]
    np.testing.assert_allclose(dx, batch_norm_backward(x.T, None, dy.T)[0].T, rtol=1e-12)


def test_rms_norm_hand_values():
    x = np.array([[1.0, 1.0, 5.0, 3.0]])  # mean square 9
    assert rms_norm_forward(x, eps=7.0).tolist() == [[0.25, 0.25, 1.25, 0.75]]
    assert rms_norm_forward(x, np.array([4.0, 2, 4, 4]), eps=7.0).tolist() == [[1, 0.5, 5, 3]]
    dx, dw = rms_norm_backward(x, None, np.array([[16.0, 0, 0, 0]]), eps=7.0)
    # x_hat = x / 4, mean(g x_hat) = 1: (16 - x_hat) / 4
    assert dx.tolist() == [[4 - 1 / 16, -1 / 16, -5 / 16, -3 / 16]]
    assert dw.tolist() == [4, 0, 0, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rms_norm_defaults_to_machine_epsilon(dtype):
    x = np.full((1, 4), np.sqrt(np.finfo(dtype).eps), dtype)
    np.testing.assert_allclose(rms_norm_forward(x), np.sqrt(0.5), rtol=1e-6)
    layer = layer_norm_forward(x * [[1, -1, 1, -1]] if dtype == "float64" else x)
    assert np.abs(layer).max() < 1e-4


@pytest.mark.parametrize("kind", ["layer_norm", "rms_norm"])
@pytest.mark.parametrize("shape", [(3, 5), (1, 4), (6, 3)])
@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_gradients_are_central_differences(kind, shape, eps, agree):
    rng = np.random.default_rng(3)
    x, dy = rng.normal(2, 1, shape), rng.normal(size=shape)
    w, b = rng.normal(size=(2, shape[1]))
    centred = kind == "layer_norm"

    def loss(x, w, b):
        parameters = (w, b) if centred else (w,)
        return np.sum(dy * getattr(reference, f"{kind}_forward")(x, *parameters, eps=eps))

    backward = getattr(reference, f"{kind}_backward")
    dx, dw, *db = backward(x, w, dy, eps=eps)
    agree(dx, lambda x: loss(x, w, b), x)
    agree(dw, lambda w: loss(x, w, b), w)
    if centred:
        agree(db[0], lambda b: loss(x, w, b), b)
    ones = backward(x, np.ones_like(w), dy, eps=eps)
    for got, expected in zip(backward(x, None, dy, eps=eps), ones, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_no_rows_and_no_columns():
    for shape in ((0, 3), (3, 0)):
        x = np.ones(shape)
        assert layer_norm_forward(x).shape == rms_norm_forward(x).shape == shape
        for gradients in (layer_norm_backward(x, None, x), rms_norm_backward(x, None, x)):
            assert gradients[0].shape == shape
            assert all(g.tolist() == [0] * shape[1] for g in gradients[1:])
