"""Initialisers: their limits and spreads, and where their numbers come from."""

import math

import numpy as np
import pytest

from deltarule import _check
from deltarule.reference import initialize, random_normal, random_uniform

VARIANCE = {  # of a weight with 300 inputs and 200 outputs
    "glorot": 2 / 500,
    "he": 2 / 300,
    "lecun": 1 / 300,
    "uniform": 1 / 3,
    "normal": 1.0,
    "truncated": 0.7737413,  # 1 - 4 density(2) / (P(2) - P(-2))
    "orthogonal": 1 / 300,
}
RANDOM = [name for name in _check.INITIALIZERS if name.split("_")[0] in VARIANCE]


@pytest.mark.parametrize("name", RANDOM)
def test_spread(name):
    w = initialize(name, 300, 200, seed=1, dtype="float64")
    variance = VARIANCE[name.split("_")[0]]
    n = w.size
    assert w.shape == (300, 200)
    assert abs(w.mean()) < 5 * math.sqrt(variance / n)
    # the variance of a square: 2 v^2 for a normal number, 4/5 v^2 for a uniform one
    assert abs(np.mean(w**2) / variance - 1) < 5 * math.sqrt(2 / n)
    limit = math.sqrt(3 * variance)
    if name == "truncated_normal":
        assert 1.999 < np.abs(w).max() <= 2
    elif name.endswith("uniform"):
        assert 0.999 * limit < np.abs(w).max() <= limit
    else:
        assert np.abs(w).max() > 1.5 * limit


def test_zeros_and_ones():
    assert initialize("zeros", 3, 2, seed=0).tolist() == [[0, 0]] * 3
    assert initialize("zeros", 3, 2, seed=0, purpose="bias").tolist() == [0, 0]
    assert initialize("ones", 1, 2, seed=0).tolist() == [[1, 1]]
    assert initialize("ones", 3, 2, seed=0, purpose="bias").tolist() == [1, 1]


def test_the_same_everywhere():
    for name in ("ones", "constant"):
        w = initialize(name, 3, 2, seed=0, gain=-0.5, mean=0.25)
        assert w.tolist() == [[-0.25, -0.25]] * 3


@pytest.mark.parametrize("shape", [(1, 1), (7, 7), (9, 4), (4, 9)])
def test_orthogonal(shape):
    w = initialize("orthogonal", *shape, seed=1, gain=3.0, dtype="float64")
    small = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(small, 9 * np.eye(min(shape)), atol=1e-13)
    b = initialize("orthogonal", *shape, seed=1, purpose="bias", dtype="float64")
    assert b.shape == shape[1:] and np.linalg.norm(b) == pytest.approx(1)


def test_truncated_numbers_are_drawn_again():
    """From the same element of the streams of later steps."""
    n, call = 2000, {"seed": 3, "purpose": "weight", "layer": 2}
    streams = np.array([random_normal(n, **call, step=step) for step in range(8)])
    first = np.argmax(np.abs(streams) <= 2, axis=0)
    assert first.max() > 1
    w = initialize("truncated_normal", 40, 50, seed=3, layer=2, dtype="float64")
    np.testing.assert_array_equal(w.ravel(), streams[first, np.arange(n)])


@pytest.mark.parametrize("name", _check.INITIALIZERS)
def test_gain_and_mean(name):
    plain = initialize(name, 6, 5, seed=1, dtype="float64")
    w = initialize(name, 6, 5, seed=1, gain=2.0, mean=0.5, dtype="float64")
    np.testing.assert_allclose(w, 2 * plain + 0.5, rtol=1e-15)


def test_numbers_by_the_formula():
    u = random_uniform(15, seed=9, purpose="weight", layer=4)
    w = initialize("glorot_uniform", 3, 5, seed=9, layer=4, dtype="float64")
    assert w.ravel().tolist() == [(2 * e - 1) * math.sqrt(6 / 8) for e in u.tolist()]
    z = random_normal(5, seed=9, purpose="bias", layer=4)
    b = initialize("he_normal", 3, 5, seed=9, layer=4, purpose="bias", dtype="float64")
    assert b.tolist() == [e * math.sqrt(2 / 3) for e in z.tolist()]


@pytest.mark.parametrize("name", _check.INITIALIZERS)
@pytest.mark.parametrize("purpose", ["weight", "bias"])
def test_float32_is_the_rounded_float64(name, purpose):
    single = initialize(name, 7, 3, seed=2, purpose=purpose)
    double = initialize(name, 7, 3, seed=2, purpose=purpose, dtype=np.float64)
    assert single.dtype == np.float32
    assert single.shape == ((7, 3) if purpose == "weight" else (3,))
    np.testing.assert_array_equal(single, double.astype(np.float32))


def test_bad_calls():
    with pytest.raises(ValueError, match="did you mean 'he_normal'"):
        initialize("he_norm", 3, 2, seed=0)
    with pytest.raises(ValueError, match="purpose must be one of 'weight', 'bias'"):
        initialize("zeros", 3, 2, seed=0, purpose="shuffle")
    with pytest.raises(ValueError, match="n_in must be >= 1, got 0"):
        initialize("zeros", 0, 2, seed=0)
    with pytest.raises(ValueError, match="dtype must be"):
        initialize("zeros", 3, 2, seed=0, dtype="int8")
    with pytest.raises(ValueError, match="gain must be finite"):
        initialize("he_normal", 3, 2, seed=0, gain=math.inf)
    with pytest.raises(TypeError, match="mean must be a real number"):
        initialize("he_normal", 3, 2, seed=0, mean="0")
    with pytest.raises(ValueError, match="seed must be >= 0"):
        initialize("zeros", 3, 2, seed=-1)
