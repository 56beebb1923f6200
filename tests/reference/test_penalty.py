"""Penalties of weights: hand values, central differences, bad calls."""

import numpy as np
import pytest

from deltarule.reference import penalty_backward, penalty_forward

W = np.array([[1.0, -2.0, 0.0], [0.5, 3.0, -1.5]])


def test_hand_values():
    assert penalty_forward(W, l1=0.1) == pytest.approx(0.8)
    assert penalty_forward(W, l2=0.1) == pytest.approx(1.65)
    assert penalty_forward(W, l1=0.1, l2=0.1) == pytest.approx(2.45)
    assert penalty_forward(W) == 0
    got = penalty_backward(W, np.ones_like(W), l1=0.25, l2=0.5)
    assert got.tolist() == [[2.25, -1.25, 1.0], [1.75, 4.25, -0.75]]


@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.0, 0.2), (0.3, 0.2)])
def test_gradients_are_central_differences(l1, l2, agree):
    w = np.random.default_rng(0).standard_normal((5, 4))
    assert np.abs(w).min() > 1e-3, "too near the kink"
    g = penalty_backward(w, np.zeros_like(w), l1=l1, l2=l2)
    agree(g, lambda w: penalty_forward(w, l1=l1, l2=l2), w)


def test_bad_calls():
    with pytest.raises(ValueError, match="l1 must be >= 0, got -1"):
        penalty_forward(W, l1=-1)
    with pytest.raises(TypeError, match="l2 must be a real number, got str"):
        penalty_backward(W, W, l2="0.1")
    with pytest.raises(ValueError, match="w must have 2 dimensions"):
        penalty_forward(W[0], l1=1)
    with pytest.raises(ValueError, match=r"g must have shape \(2, 3\), got \(3, 2\)"):
        penalty_backward(W, W.T, l1=1)
    with pytest.raises(TypeError, match="g must have the dtype of w"):
        penalty_backward(W, W.astype("f4"), l1=1)
