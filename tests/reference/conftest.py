"""The judge of every gradient: central differences in float64."""

import numpy as np
import pytest


def _difference(f, x, h=1e-5):
    """The gradient of the number f(x) by central differences, element by element."""
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        gradient[i] = (f(up) - f(down)) / (2 * h)
    return gradient


def _agree(gradient, f, x):
    """Assert that `gradient` is that of f at x, by the norm of the whole array."""
    expected = _difference(f, x)
    assert gradient.shape == x.shape
    assert np.linalg.norm(expected) > 1e-4, "the test would see nothing"
    error = np.linalg.norm(gradient - expected) / np.linalg.norm(expected)
    assert error <= 1e-7, error


@pytest.fixture
def agree():
    return _agree
