"""The dense layer: hand values, and gradients against central differences."""

import numpy as np
import pytest

from deltarule import _check
from deltarule.reference import activation_forward, dense_backward, dense_forward

X = np.array([[1.0, 2.0], [3.0, -1.0], [0.0, 1.0]])
W = np.array([[1.0, 0.0, 2.0, -1.0], [0.5, 1.0, -1.0, 0.0]])
B = np.array([0.0, 1.0, 2.0, 3.0])


def test_forward_hand_values():
    # row 0: 1 * (1, 0, 2, -1) + 2 * (0.5, 1, -1, 0) = (2, 2, 0, -1), and so on
    z = [[2, 2, 0, -1], [2.5, -1, 7, -3], [0.5, 1, -1, 0]]
    assert dense_forward(X, W).tolist() == z
    assert dense_forward(X, W, B).tolist() == (np.array(z) + B).tolist()
    assert dense_forward(X, W, B, activation="relu").tolist() == [
        [2, 3, 2, 2],
        [2.5, 0, 9, 0],
        [0.5, 2, 1, 3],
    ]


def test_backward_hand_values():
    y = np.array([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
    dy = np.arange(1.0, 13.0).reshape(3, 4)
    dx, dw, db = dense_backward(X, W, y, dy, activation="relu")
    # dz = dy where y > 0: (1, 0, 3, 0), (5, 6, 7, 8), (0, 10, 0, 12)
    assert db.tolist() == [6, 16, 10, 20]
    # input 0: 1 * row 0 + 3 * row 1; input 1: 2 * row 0 - row 1 + row 2
    assert dw.tolist() == [[16, 18, 24, 24], [-3, 4, -1, 4]]
    # row 0: (1 + 2*3, 0.5 - 3); row 1: (5 + 14 - 8, 2.5 + 6 - 7); row 2: (-12, 10)
    assert dx.tolist() == [[7, -2.5], [11, 1.5], [-12, 10]]


@pytest.mark.parametrize("name", _check.ACTIVATIONS)
@pytest.mark.parametrize(("n", "n_in", "n_out"), [(5, 3, 7), (1, 4, 2), (6, 1, 3), (3, 5, 1)])
def test_gradients_are_central_differences(name, n, n_in, n_out, agree):
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((n, n_in)), rng.standard_normal((n_in, n_out))
    b, dy = rng.standard_normal(n_out), rng.standard_normal((n, n_out))
    alpha = 0.2 if name in _check._ALPHAS else None

    def forward(x, w, b):
        return dense_forward(x, w, b, activation=name, alpha=alpha)

    assert np.abs(dense_forward(x, w, b)).min() > 1e-3, "too near the kink"
    z, y = dense_forward(x, w, b), forward(x, w, b)
    dx, dw, db = dense_backward(x, w, y, dy, z=z, activation=name, alpha=alpha)
    if name.endswith("softmax") and n_out == 1:  # constant
        assert not (dx.any() or dw.any() or db.any())
        return
    agree(dx, lambda x: np.sum(dy * forward(x, w, b)), x)
    agree(dw, lambda w: np.sum(dy * forward(x, w, b)), w)
    agree(db, lambda b: np.sum(dy * forward(x, w, b)), b)


def test_the_error_is_flushed_before_the_products():
    x, w = np.full((1, 1), 2.0**120, np.float32), np.full((1, 1), 2.0**120, np.float32)
    dy = np.full((1, 1), 2.0**-101, np.float32)
    for gradient in dense_backward(x, w, dy, dy):
        assert gradient.tolist() in ([[0.0]], [0.0])
    dx, dw, db = dense_backward(x, w, dy, 2 * dy)
    assert (dx.item(), dw.item(), db.item()) == (2.0**20, 2.0**20, 2.0**-100)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts_and_dtypes(dtype):
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((5, 4)).astype(dtype), rng.standard_normal((4, 3)).astype(dtype)
    y = dense_forward(x, w, activation="tanh")
    assert y.dtype == dtype
    assert y.flags.c_contiguous
    np.testing.assert_array_equal(
        y, dense_forward(np.asfortranarray(x), w[::-1].copy()[::-1], activation="tanh")
    )
    np.testing.assert_array_equal(y, activation_forward("tanh", dense_forward(x, w)))
    for gradient in dense_backward(x, w, y, y, activation="tanh"):
        assert gradient.dtype == dtype
        assert gradient.flags.c_contiguous


def test_no_rows():
    x, w = np.ones((0, 3)), np.ones((3, 2))
    y = dense_forward(x, w, np.ones(2), activation="softmax")
    assert y.shape == (0, 2)
    dx, dw, db = dense_backward(x, w, y, y)
    assert dx.shape == (0, 3)
    assert dw.tolist() == [[0, 0]] * 3
    assert db.tolist() == [0, 0]


def test_bad_calls():
    with pytest.raises(ValueError, match=r"w must have shape \(2, any\), got \(4, 2\)"):
        dense_forward(X, W.T)
    with pytest.raises(ValueError, match=r"b must have shape \(4,\), got \(3,\)"):
        dense_forward(X, W, B[:3])
    with pytest.raises(ValueError, match="x must have 2 dimensions"):
        dense_forward(X[0], W)
    with pytest.raises(TypeError, match="w must have the dtype of x"):
        dense_forward(X, W.astype("f4"))
    with pytest.raises(ValueError, match=r"dy must have shape \(3, 4\), got \(3, 2\)"):
        dense_backward(X, W, np.ones((3, 4)), X)
    with pytest.raises(ValueError, match="activation must be one of"):
        dense_backward(X, W, np.ones((3, 4)), np.ones((3, 4)), activation="gleu")
