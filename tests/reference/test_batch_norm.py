"""Batch normalisation: hand values, and gradients against central differences."""

import numpy as np
import pytest

from deltarule.reference import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    batch_norm_running,
)

# columns: mean 3, deviations -2 0 2, variance 8/3; constant
X = np.array([[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]])
EPS = 1 / 3  # 8/3 + 1/3 = 3


def test_forward_hand_values():
    y, mean, var = batch_norm_forward(X, np.array([3.0, 1.0]), np.array([1.0, 2.0]), eps=EPS)
    assert mean.tolist() == [3, 7]
    np.testing.assert_allclose(var, [8 / 3, 0], rtol=1e-15)
    root = np.sqrt(3)
    np.testing.assert_allclose(y, [[1 - 2 * root, 2], [1, 2], [1 + 2 * root, 2]], rtol=1e-15)
    np.testing.assert_allclose(batch_norm_forward(X, eps=EPS)[0], (y - [1, 2]) / [3, 1], 1e-15)


def test_backward_hand_values():
    dy = np.array([[3.0, 1.0], [0.0, 1.0], [0.0, 4.0]])
    dx, dw, db = batch_norm_backward(X, np.array([3.0, 1.0]), dy, eps=EPS)
    # x_hat = (-2, 0, 2) / sqrt(3) in the first column, 0 in the second
    np.testing.assert_allclose(dw, [-6 / np.sqrt(3), 0], rtol=1e-15)
    assert db.tolist() == [3, 6]
    # 3 / sqrt(3) (dy - 1 - x_hat (-2 / sqrt(3))); 1 / sqrt(1/3) (dy - 2)
    first = np.sqrt(3) * (np.array([3, 0, 0]) - 1 + 2 * np.array([-2, 0, 2]) / 3)
    np.testing.assert_allclose(dx[:, 0], first, rtol=1e-14)
    np.testing.assert_allclose(dx[:, 1], np.sqrt(3) * np.array([-1, -1, 2]), rtol=1e-14)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4), (9, 1)])
@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_gradients_are_central_differences(shape, eps, agree):
    rng = np.random.default_rng(3)
    x, dy = rng.normal(2, 1, shape), rng.normal(size=shape)
    w, b = rng.normal(size=(2, shape[1]))

    def loss(x, w, b):
        return np.sum(dy * batch_norm_forward(x, w, b, eps=eps)[0])

    dx, dw, db = batch_norm_backward(x, w, dy, eps=eps)
    if shape[0] > 2 or eps > 0.1:  # two numbers are always 1 and -1, but for eps
        agree(dx, lambda x: loss(x, w, b), x)
    agree(dw, lambda w: loss(x, w, b), w)
    agree(db, lambda b: loss(x, w, b), b)
    ones = batch_norm_backward(x, np.ones_like(w), dy, eps=eps)
    for got, expected in zip(batch_norm_backward(x, None, dy, eps=eps), ones, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_inference():
    mean, var = np.array([1.0, 2.0]), np.array([3.0, 8.0])
    y = batch_norm_inference(X, mean, var, np.array([2.0, 3.0]), np.array([0.0, 1.0]), eps=1.0)
    assert y.tolist() == [[0, 6], [2, 6], [4, 6]]
    plain = batch_norm_inference(X, mean, var, eps=1.0)
    np.testing.assert_allclose(plain, [[0, 5 / 3], [1, 5 / 3], [2, 5 / 3]], rtol=1e-15)


def test_running_hand_values():
    zero, one, mean, var = map(np.array, ([0.0], [1.0], [8.0], [6.0]))
    new_mean, new_var = batch_norm_running(zero, one, mean, var, n=4, momentum=0.25)
    assert (new_mean.tolist(), new_var.tolist()) == ([2], [0.75 + 0.25 * 8])
    assert (zero.item(), one.item()) == (0, 1)
    new_mean, new_var = batch_norm_running(zero, one, mean, var, n=4)
    np.testing.assert_allclose([new_mean, new_var], [[0.8], [0.9 + 0.8]], rtol=1e-15)
    for n in (0, 1):
        still = batch_norm_running(zero, one, mean, var, n=n)
        assert [a.item() for a in still] == [0, 1]


def test_a_mean_far_from_zero_costs_the_variance_nothing():
    rng = np.random.default_rng(4)
    d = rng.choice([-1.0, 1.0], (4096, 3))
    d -= d.mean(axis=0)
    for dtype, place in (("float32", 2.0**16), ("float64", 2.0**40)):
        x = (d + place).astype(dtype)
        exact = x.astype(np.float64) - place
        _, mean, var = batch_norm_forward(x)
        np.testing.assert_allclose(var, exact.var(axis=0), rtol=4096 * np.finfo(dtype).eps)
        np.testing.assert_allclose(mean, exact.mean(axis=0) + place, rtol=np.finfo(dtype).eps)


def test_few_rows():
    w, b = np.array([2.0, 3.0]), np.array([5.0, 6.0])
    y, mean, var = batch_norm_forward(X[:1], w, b)
    assert (y.tolist(), mean.tolist(), var.tolist()) == ([[5, 6]], [1, 7], [0, 0])
    dx, dw, db = batch_norm_backward(X[:1], w, X[1:2])
    assert (dx.tolist(), dw.tolist(), db.tolist()) == ([[0, 0]], [0, 0], [3, 7])
    y, mean, var = batch_norm_forward(X[:0], w, b)
    assert (y.shape, mean.tolist(), var.tolist()) == ((0, 2), [0, 0], [0, 0])
    assert [a.tolist() for a in batch_norm_backward(X[:0], w, X[:0])[1:]] == [[0, 0], [0, 0]]
