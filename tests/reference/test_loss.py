"""Losses: hand values, limits, weights, and gradients against central differences."""

import numpy as np
import pytest

from deltarule import _check
from deltarule.reference import activation_forward, loss_backward, loss_forward

LN2, LN3 = np.log(2), np.log(3)


def case(loss, n=5, n_out=3, seed=4):
    """(y, t) that fit the loss; for cross_entropy t is rows of probabilities."""
    rng = np.random.default_rng(seed)
    y, t = rng.standard_normal((n, n_out)), rng.uniform(size=(n, n_out))
    if loss == "cross_entropy":
        t /= t.sum(axis=1, keepdims=True)
    return y, t


def test_mse_by_hand():
    y, t = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.0, 4.0], [3.0, 2.0]])
    # samples: (1 + 4) / 2 and (0 + 4) / 2
    assert loss_forward("mse", y, t) == 2.25
    # 2 (y - t) / 2 outputs / 2 samples
    assert loss_backward("mse", y, t).tolist() == [[0.5, -1.0], [0.0, -1.0]]
    # weights 3 and 1: (3 * 2.5 + 2) / 4
    w = np.array([3.0, 1.0])
    assert loss_forward("mse", y, t, sample_weight=w) == 2.375
    assert loss_backward("mse", y, t, sample_weight=w).tolist() == [[0.75, -1.5], [0.0, -0.5]]


def test_cross_entropy_by_hand():
    # softmax: (1/4, 1/4, 1/2) and (1/3, 1/3, 1/3)
    y = np.array([[0.0, 0.0, LN2], [5.0, 5.0, 5.0]])
    for t in (np.array([2, 0]), np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])):
        np.testing.assert_allclose(loss_forward("cross_entropy", y, t), (LN2 + LN3) / 2)
        np.testing.assert_allclose(
            loss_backward("cross_entropy", y, t),
            [[1 / 8, 1 / 8, -1 / 4], [-1 / 3, 1 / 6, 1 / 6]],
        )


def test_binary_cross_entropy_by_hand():
    # sigmoid: 3/4, 1/2; -ln(3/4), -ln(1/2), a mean over both outputs
    y, t = np.array([[LN3, 0.0]]), np.array([[1.0, 0.0]])
    expected = (np.log(4 / 3) + LN2) / 2
    np.testing.assert_allclose(loss_forward("binary_cross_entropy", y, t), expected)
    np.testing.assert_allclose(loss_backward("binary_cross_entropy", y, t), [[-1 / 8, 1 / 4]])


def test_logits_far_out_neither_overflow_nor_vanish():
    y = np.array([[1000.0, -1000.0]])
    assert loss_forward("cross_entropy", y, [1]) == 2000.0
    assert loss_forward("cross_entropy", y, [0]) == 0.0
    assert loss_forward("binary_cross_entropy", y, np.array([[0.0, 1.0]])) == 1000.0
    # log1p keeps what log(1 + e^-40) would round to 0
    small = loss_forward("binary_cross_entropy", np.array([[40.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(small, np.exp(-40.0))


@pytest.mark.parametrize("loss", _check.LOSSES)
def test_the_definition(loss):
    """Against the plain formula of probabilities, without the stable forms."""
    y, t = case(loss)
    if loss == "mse":
        each = np.mean((y - t) ** 2, axis=1)
    elif loss == "cross_entropy":
        each = -np.sum(t * np.log(activation_forward("softmax", y)), axis=1)
    else:
        p = activation_forward("sigmoid", y)
        each = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p), axis=1)
    np.testing.assert_allclose(loss_forward(loss, y, t), np.mean(each), rtol=1e-14)
    w = np.array([0.5, 0.0, 2.0, 1.0, 3.0])
    np.testing.assert_allclose(
        loss_forward(loss, y, t, sample_weight=w), np.average(each, weights=w), rtol=1e-14
    )


@pytest.mark.parametrize("loss", _check.LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "n_out"), [(5, 3), (1, 4), (7, 2)])
def test_gradient_is_the_central_difference(loss, weighted, n, n_out, agree):
    y, t = case(loss, n, n_out)
    w = np.random.default_rng(5).uniform(0.5, 2, n) if weighted else None
    gradient = loss_backward(loss, y, t, sample_weight=w)
    agree(gradient, lambda y: loss_forward(loss, y, t, sample_weight=w), y)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_with_labels(weighted, agree):
    y, _ = case("cross_entropy")
    labels = np.array([2, 0, 1, 1, 2])
    w = np.array([1.0, 2.0, 0.0, 0.5, 1.5]) if weighted else None
    gradient = loss_backward("cross_entropy", y, labels, sample_weight=w)
    agree(gradient, lambda y: loss_forward("cross_entropy", y, labels, sample_weight=w), y)
    one_hot = np.eye(3)[labels]
    np.testing.assert_array_equal(
        gradient, loss_backward("cross_entropy", y, one_hot, sample_weight=w)
    )


def test_targets_that_do_not_sum_to_one(agree):
    y, t = case("mse")
    gradient = loss_backward("cross_entropy", y, t)
    agree(gradient, lambda y: loss_forward("cross_entropy", y, t), y)


@pytest.mark.parametrize("loss", _check.LOSSES)
def test_weights_that_sum_to_zero(loss):
    y, t = case(loss)
    w = np.zeros(5)
    assert loss_forward(loss, y, t, sample_weight=w) == 0.0
    assert not loss_backward(loss, y, t, sample_weight=w).any()
    assert loss_forward(loss, y[:0], t[:0]) == 0.0
    assert loss_backward(loss, y[:0], t[:0]).shape == (0, 3)


@pytest.mark.parametrize("loss", _check.LOSSES)
def test_a_weight_of_two_is_a_sample_seen_twice(loss):
    y, t = case(loss)
    twice = [0, 1, 1, 2, 3, 4]
    w = np.array([1.0, 2.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(
        loss_forward(loss, y, t, sample_weight=w), loss_forward(loss, y[twice], t[twice])
    )


@pytest.mark.parametrize("loss", _check.LOSSES)
def test_float32(loss):
    y, t = case(loss)
    y4, t4 = y.astype("f4"), t.astype("f4")
    assert type(loss_forward(loss, y4, t4)) is float
    np.testing.assert_allclose(loss_forward(loss, y4, t4), loss_forward(loss, y, t), rtol=1e-6)
    gradient = loss_backward(loss, y4, t4)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, loss_backward(loss, y, t), rtol=1e-5, atol=1e-7)


def test_small_gradients_are_flushed():
    y, t = np.full((1, 1), 2.0**-101, np.float32), np.zeros((1, 1), np.float32)
    assert loss_backward("mse", y, t).item() == 2.0**-100
    assert loss_backward("mse", y / 2, t).item() == 0.0


def test_bad_calls():
    y, t = case("mse")
    with pytest.raises(ValueError, match="did you mean 'cross_entropy'"):
        loss_forward("crossentropy", y, t)
    with pytest.raises(ValueError, match=r"t must have shape \(5, 3\), got \(5, 2\)"):
        loss_forward("mse", y, t[:, :2])
    with pytest.raises(ValueError, match="t has label 3 at row 1"):
        loss_forward("cross_entropy", y, [0, 3, 0, 0, 0])
    with pytest.raises(TypeError, match="t must be integer labels, got dtype float64"):
        loss_backward("cross_entropy", y, t[:, 0])
    with pytest.raises(TypeError, match="t must be float32 or float64, got dtype int64"):
        loss_backward("mse", y, np.ones((5, 3), int))
    with pytest.raises(TypeError, match="t must have the dtype of y"):
        loss_backward("mse", y, t.astype("f4"))
    with pytest.raises(TypeError, match="sample_weight must have the dtype of y"):
        loss_forward("mse", y, t, sample_weight=np.ones(5, "f4"))
    with pytest.raises(
        ValueError, match=r"sample_weight must be finite and >= 0, got -1.0 at row 4"
    ):
        loss_forward("mse", y, t, sample_weight=np.array([1.0, 1, 1, 1, -1]))
    with pytest.raises(ValueError, match="y must have at least 1 column"):
        loss_forward("mse", y[:, :0], t[:, :0])
