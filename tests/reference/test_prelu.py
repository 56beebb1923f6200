"""PReLU: hand values, central differences, bad calls."""

import numpy as np
import pytest

from deltarule.reference import prelu_backward, prelu_forward

X = np.array([[1.0, -2.0, 3.0], [-4.0, 0.5, -1.0]])


def test_hand_values():
    assert prelu_forward(X, np.array([0.5])).tolist() == [[1, -1, 3], [-2, 0.5, -0.5]]
    each = np.array([0.5, -1, 2])
    assert prelu_forward(X, each).tolist() == [[1, 2, 3], [-2, 0.5, -2]]
    dx, dslope = prelu_backward(X, each, np.array([[1.0, 2, 3], [4, 5, 6]]))
    assert dx.tolist() == [[1, -2, 3], [2, 5, 12]]
    assert dslope.tolist() == [-16, -4, -6]
    assert prelu_backward(X, each[:1], np.ones_like(X))[1].tolist() == [-7]


@pytest.mark.parametrize("count", [1, 4])
def test_gradients_are_central_differences(count, agree):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
    slope = rng.standard_normal(count)
    assert np.abs(x).min() > 1e-3, "too near the kink"
    dx, dslope = prelu_backward(x, slope, dy)
    agree(dx, lambda x: np.sum(dy * prelu_forward(x, slope)), x)
    agree(dslope, lambda slope: np.sum(dy * prelu_forward(x, slope)), slope)


def test_no_rows():
    for count in (1, 3):
        dx, dslope = prelu_backward(np.ones((0, 3)), np.ones(count), np.ones((0, 3)))
        assert dx.shape == (0, 3) and dslope.tolist() == [0] * count


def test_bad_calls():
    with pytest.raises(ValueError, match=r"slope must have shape \(1,\) or \(3,\), got \(2,\)"):
        prelu_forward(X, np.ones(2))
    with pytest.raises(ValueError, match="slope must have 1 dimension"):
        prelu_forward(X, 0.25 * np.ones((1, 1)))
    with pytest.raises(ValueError, match="x must have 2 dimensions"):
        prelu_forward(X[0], np.ones(1))
    with pytest.raises(TypeError, match="slope must have the dtype of x"):
        prelu_forward(X, np.ones(1, "f4"))
    with pytest.raises(ValueError, match=r"dy must have shape \(2, 3\), got \(3, 2\)"):
        prelu_backward(X, np.ones(1), X.T)
