"""Our own logarithm, exponential, cosine and power against those of the C library."""

import math

import numpy as np

from deltarule._scalar import cos_sin, exp, ln, power


def test_logarithm():
    x = np.concatenate([np.linspace(2.0**-20, 3, 10001), 2.0 ** -np.arange(54.0), [1e300, 1e-300]])
    np.testing.assert_allclose(ln(x), np.log(x), rtol=4e-16, atol=1e-18)


def test_exponential():
    for x in np.linspace(-708, 708, 10001).tolist():
        assert abs(exp(x) / math.exp(x) - 1) < 4e-16
    assert (exp(0.0), exp(-1e9), exp(1e9)) == (1.0, 0.0, math.inf)
    assert exp(-744.0) == math.exp(-744.0)  # subnormal


def test_circle():
    u = np.concatenate([np.linspace(0, 1, 10001), 2.0 ** -np.arange(54.0)])
    cos, sin = cos_sin(u)
    np.testing.assert_allclose(cos, np.cos(2 * np.pi * u), atol=1e-15)
    np.testing.assert_allclose(sin, np.sin(2 * np.pi * u), atol=1e-15)


def test_power():
    for base in (0.0, 0.5, 0.9, 0.999):
        for n in (0, 1, 2, 3, 7, 1000, 10**6, 1 << 40):
            assert math.isclose(power(base, n), base**n, rel_tol=1e-15 * (n + 1), abs_tol=1e-300)
    wide = power(np.longdouble("0.999"), 1000)
    assert wide.dtype == np.longdouble
    assert abs(wide - np.longdouble("0.999") ** 1000) <= 1000 * np.finfo(np.longdouble).eps * wide
