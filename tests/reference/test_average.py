"""Averages of weights: hand values, bad calls."""

import numpy as np
import pytest

from deltarule.reference import average_step

W, OLD = np.array([[3.0, -2.0], [1.0, 0.0]]), np.array([[1.0, 2.0], [1.0, 4.0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hand_values(dtype):
    w, old = W.astype(dtype), OLD.astype(dtype)
    assert average_step(w, old, share=0.25).tolist() == [[1.5, 1], [1, 3]]
    assert average_step(w, old, share=0.75).tolist() == [[2.5, -1], [1, 1]]
    assert average_step(w, old, share=0.5).dtype == dtype
    assert old.tolist() == OLD.tolist()  # a new array
    assert average_step(w[:0], old[:0], share=0.5).shape == (0, 2)


def test_bad_calls():
    with pytest.raises(ValueError, match=r"share must be >= 0, got -0.5"):
        average_step(W, OLD, share=-0.5)
    with pytest.raises(ValueError, match=r"share must be at most 1, got 1.5"):
        average_step(W, OLD, share=1.5)
    with pytest.raises(TypeError, match="share must be a real number"):
        average_step(W, OLD, share="1")
    with pytest.raises(ValueError, match="average must have shape"):
        average_step(W, OLD[0], share=0.5)
    with pytest.raises(TypeError, match="float32"):
        average_step(W, OLD.astype("f4"), share=0.5)
    with pytest.raises(TypeError, match="w must be float32 or float64"):
        average_step(W.astype(int), OLD, share=0.5)
