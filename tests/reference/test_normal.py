"""The normal distribution of the reference: against math.erf, known digits, and itself."""

import math

import numpy as np
import pytest

from deltarule.reference import normal

# P(-a) to 21 digits (computed with 40 digits)
TAILS = {
    0.125: np.longdouble("0.4502617751698871070207"),
    0.5: np.longdouble("0.3085375387259868963623"),
    0.75: np.longdouble("0.2266273523768681993271"),
    1.0: np.longdouble("0.1586552539314570514148"),
    2.5: np.longdouble("0.006209665325776135166978"),
    5.0: np.longdouble("2.866515718791939116738e-7"),
    9.0: np.longdouble("1.128588405953840647736e-19"),
    12.0: np.longdouble("1.776482112077678997696e-33"),
}
PRECISE = np.finfo(np.longdouble).nmant >= 63


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("a", TAILS)
def test_known_digits(a, dtype):
    x = np.array([-a, a], dtype)
    exact = np.array([TAILS[a], 1 - np.longdouble(TAILS[a])], np.longdouble).astype(dtype)
    with np.errstate(all="ignore"):
        got = normal.below(x)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, exact, rtol=5 * float(np.finfo(dtype).eps))


def test_against_math():
    x = np.concatenate([np.linspace(-6, 6, 4001), [1e-300, -1e-20, 0.5, -0.5]])
    exact = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(normal.erf(x), exact, rtol=1e-15)
    exact = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x])
    np.testing.assert_allclose(normal.below(x), exact, rtol=1e-13)
    exact = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(normal.density(x), exact, rtol=1e-13)


@pytest.mark.skipif(not PRECISE, reason="long double has no more bits than double")
def test_series_and_trapezoidal_rule_meet():
    """Two ways that have nothing in common agree where both hold, to longdouble's last bits."""
    z = np.linspace(np.longdouble(0.5), 0.6, 200)
    square, series = z * z, np.zeros_like(z)
    for k in reversed(range(40)):
        series = series * square + np.longdouble((-1) ** k) / (math.factorial(k) * (2 * k + 1))
    exact = 2 / np.sqrt(4 * np.arctan(np.longdouble(1))) * z * series
    np.testing.assert_allclose(normal.erf(z), exact, rtol=1e-18)


def test_limits():
    x = np.array([-np.inf, -1e300, -50.0, -0.0, 50.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        assert normal.below(x)[:-1].tolist() == [0, 0, 0, 0.5, 1, 1]
        assert normal.erf(x)[:-1].tolist() == [-1, -1, -1, 0, 1, 1]
        assert normal.density(x)[[0, 1, 5]].tolist() == [0, 0, 0]
        for function in (normal.below, normal.erf, normal.density):
            assert np.isnan(function(x)[-1])
