"""Constraints of weights: hand values, bad calls."""

import numpy as np
import pytest

from deltarule.reference import constrain

W = np.array([[3.0, -0.6, 0.0], [4.0, 0.8, -2.0]])


def test_hand_values():
    np.testing.assert_allclose(constrain("max_norm", W), [[1.2, -0.6, 0], [1.6, 0.8, -2]])
    got = constrain("max_norm", W, max_value=0.5)
    np.testing.assert_allclose(got, [[0.3, -0.3, 0], [0.4, 0.4, -0.5]])
    assert constrain("non_negative", W).tolist() == [[3, 0, 0], [4, 0.8, 0]]
    assert W[0, 1] == -0.6  # a new array


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_and_no_rows(dtype):
    for name in ("max_norm", "non_negative"):
        assert constrain(name, W.astype(dtype)).dtype == dtype
        assert constrain(name, np.ones((0, 3), dtype)).shape == (0, 3)
        assert constrain(name, np.ones((3, 0), dtype)).shape == (3, 0)


def test_bad_calls():
    with pytest.raises(ValueError, match=r"constraint must be one of .* did you mean 'max_norm'"):
        constrain("maxnorm", W)
    with pytest.raises(ValueError, match="max_value must be >= 1e-10, got -1"):
        constrain("max_norm", W, max_value=-1)
    with pytest.raises(ValueError, match="max_value is not a parameter of 'non_negative', got 3"):
        constrain("non_negative", W, max_value=3)
    with pytest.raises(ValueError, match="w must have 2 dimensions"):
        constrain("max_norm", W[0])
    with pytest.raises(TypeError, match="w must be float32 or float64"):
        constrain("max_norm", W.astype(int))
