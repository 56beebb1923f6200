"""What the tests of methods that need all rows have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr

LM, LBFGS = dr.LevenbergMarquardt, dr.LBFGS


def _has_scipy() -> bool:
    try:
        import scipy.optimize  # noqa: F401
    except ImportError:
        return False
    return True


needs_scipy = pytest.mark.skipif(not _has_scipy(), reason="scipy is not installed")
METHODS = [pytest.param(LM, id="lm"), pytest.param(LBFGS, id="lbfgs", marks=needs_scipy)]
methods = pytest.mark.parametrize("method", METHODS)


def table(n: int = 60, n_in: int = 2, n_out: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A smooth function of a few numbers, with noise."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(n, n_in))
    wave = np.sin(x @ rng.normal(size=(n_in, n_out))) + 0.3 * x[:, :1]
    return x, wave + rng.normal(0, 0.05, (n, n_out))


def network(optimizer: Any, *layers: dr.Layer, **arguments: Any) -> dr.Network:
    chain = layers or (dr.Dense(5, "tanh"), dr.Dense(1))
    return dr.Network(chain, loss="mse", optimizer=optimizer, **{"dtype": "float64"} | arguments)
