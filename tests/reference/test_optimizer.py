"""Optimiser steps: hand values, and sequences against the formulas as published."""

import numpy as np
import pytest

from deltarule.reference import adam_step, sgd_step


def array(*values, dtype="float64"):
    return np.array([values], dtype)


def test_sgd_by_hand():
    w, velocity = sgd_step(array(1, 2), array(4, -8), array(9, 9), learning_rate=0.25)
    assert w.tolist() == [[0, 4]]
    assert velocity.tolist() == [[9, 9]]  # untouched without momentum


def test_momentum_by_hand():
    w, velocity = sgd_step(array(1, 2), array(4, -8), array(2, 0), learning_rate=0.25, momentum=0.5)
    assert velocity.tolist() == [[5, -8]]  # 0.5 * 2 + 4
    assert w.tolist() == [[-0.25, 4]]


def test_nesterov_by_hand():
    w, velocity = sgd_step(
        array(1, 2), array(4, -8), array(2, 0), learning_rate=0.25, momentum=0.5, nesterov=True
    )
    assert velocity.tolist() == [[5, -8]]
    assert w.tolist() == [[-0.625, 5]]  # 1 - 0.25 (4 + 0.5 * 5); 2 - 0.25 (-8 - 4)


@pytest.mark.parametrize(("momentum", "expected"), [(0.0, 0.0), (0.5, -0.25)])
def test_weight_decay_by_hand(momentum, expected):
    # g = 2 + 0.5 * 4 = 4; without momentum 1... w = 4 - 4 = 0; with it velocity = 0.5 * 0.5 + 4
    w, _ = sgd_step(
        array(4), array(2), array(0.5), learning_rate=1, momentum=momentum, weight_decay=0.5
    )
    assert w.item() == expected


def test_adam_by_hand():
    # m = 0.5 * 2 + 0.5 * 6 = 4; v = 0.75 * 0 + 0.25 * 36 = 9
    # step 2: 1 - 0.5^2 = 3/4, 1 - 0.75^2 = 7/16; m / (3/4) = 16/3, sqrt(9 / (7/16)) = 12 / sqrt 7
    w, m, v = adam_step(
        array(1),
        array(6),
        array(2),
        array(0),
        step=2,
        learning_rate=0.5,
        betas=(0.5, 0.75),
        eps=0.25,
    )
    assert m.item() == 4
    assert v.item() == 9
    np.testing.assert_allclose(w.item(), 1 - 0.5 * (16 / 3) / (12 / np.sqrt(7) + 0.25))


def test_the_first_step_of_adam_is_the_learning_rate():
    # corrected means are g and g^2, so the step is learning_rate g / (|g| + eps)
    g = array(1e-3, -5, 1e4)
    w, _, _ = adam_step(0 * g, g, 0 * g, 0 * g, step=1, learning_rate=0.1, eps=1e-12)
    np.testing.assert_allclose(w, [[-0.1, 0.1, -0.1]])


def test_adam_corrects_the_bias_of_its_means():
    """With one constant gradient the corrected means are it and its square at every step."""
    w, m, v, g = np.zeros((3, 5)), np.zeros((3, 5)), np.zeros((3, 5)), np.full((3, 5), 2.0)
    for step in range(1, 51):
        new, m, v = adam_step(w, g, m, v, step=step, learning_rate=0.01, eps=1e-15)
        np.testing.assert_allclose(w - new, 0.01, rtol=1e-12)
        w = new


def test_nesterov_is_the_gradient_at_the_point_looked_ahead_to():
    """Sutskever et al.: v = mu v - rate f'(p + mu v), p = p + v; here w = p + mu v."""
    rate, mu, p, v = 0.1, 0.9, 3.0, 0.0
    w, velocity = array(3), array(0)
    for _ in range(20):
        v = mu * v - rate * 2 * (p + mu * v)  # f = p^2
        p = p + v
        w, velocity = sgd_step(w, 2 * w, velocity, learning_rate=rate, momentum=mu, nesterov=True)
        np.testing.assert_allclose(w.item(), p + mu * v, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("dtype", "tiny"), [("float32", 2.0**-100), ("float64", 2.0**-1000)])
def test_state_is_flushed(dtype, tiny):
    small = array(tiny, -tiny, 2 * tiny, dtype=dtype)
    zero = np.zeros_like(small)
    _, velocity = sgd_step(zero, zero, small, learning_rate=0.1, momentum=0.5)
    assert velocity.tolist() == [[0, 0, tiny]]
    assert not np.signbit(velocity).any()
    _, m, v = adam_step(zero, zero, small, np.abs(small), step=1, betas=(0.5, 0.5))
    assert m.tolist() == [[0, 0, tiny]]
    assert v.tolist() == [[0, 0, tiny]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_new_arrays_of_the_same_dtype(dtype, order):
    w = np.ones((3, 2), dtype, order)
    w.flags.writeable = False
    for results in (
        sgd_step(w, w, w, learning_rate=0.1),
        sgd_step(w, w, w, learning_rate=0.1, momentum=0.9, weight_decay=0.1),
        adam_step(w, w, w, w, step=1),
    ):
        for result in results:
            assert result.dtype == dtype
            assert result.flags.c_contiguous
            assert not np.shares_memory(result, w)
    bias = np.ones(3, dtype)
    assert adam_step(bias, bias, bias, bias, step=1)[0].shape == (3,)


def test_bad_calls():
    w = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"g must have shape \(2, 3\), got \(3, 2\)"):
        sgd_step(w, w.T, w, learning_rate=0.1)
    with pytest.raises(TypeError, match="velocity must have the dtype of w"):
        sgd_step(w, w, w.astype("f4"), learning_rate=0.1)
    for name, bad in [("learning_rate", -1), ("momentum", 1), ("weight_decay", np.nan)]:
        with pytest.raises(ValueError, match=f"{name} must be"):
            sgd_step(w, w, w, **{"learning_rate": 0.1, name: bad})
    with pytest.raises(TypeError, match="nesterov must be True or False"):
        sgd_step(w, w, w, learning_rate=0.1, nesterov=1)
    for name, bad in [("step", 0), ("eps", 0), ("betas", (0.9, 1.0)), ("betas", (0.9,))]:
        with pytest.raises(ValueError, match=f"{name}.* must be"):
            adam_step(w, w, w, w, **{"step": 1, name: bad})
    with pytest.raises(TypeError, match="betas must be a pair"):
        adam_step(w, w, w, w, step=1, betas=0.9)
