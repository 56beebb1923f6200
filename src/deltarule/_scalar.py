"""Elementary functions for what is computed once a step or a random number, with the bits of C: of
numbers or arrays.

Only + - * / and what is exact (frexp, ldexp, floor) are used, in the order of csrc/scalar.h.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

_LN2 = 0.69314718055994531
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_LN = [1 / (2 * k + 3) for k in range(11)]
_EXP = [1 / math.factorial(k) for k in range(2, 14)]
_SIN = [(-1) ** (k + 1) / math.factorial(2 * k + 3) for k in range(8)]
_COS = [(-1) ** (k + 1) / math.factorial(2 * k + 2) for k in range(8)]


def _horner(x: F64, coefficients: list[float]) -> F64:
    p = np.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        p = p * x + c
    return p


def ln(x: F64) -> F64:
    """ln x for normal x > 0.

    x = m 2^e with m in [sqrt(1/2), sqrt 2), and ln m = 2 artanh s with s = (m - 1) / (m + 1):
    2 s + 2 s (s^2/3 + s^4/5 + ...), whose terms after s^22 are below 2^-60 as |s| < 0.172.
    """
    m, e = np.frexp(x)
    low = m < 0.70710678118654752
    m, e = np.where(low, m * 2, m), np.where(low, e - 1, e)
    s = (m - 1) / (m + 1)
    z = s * s
    t = 2 * s
    result: F64 = e * _LN2 + (t + t * (z * _horner(z, _LN)))
    return result


def exp(x: F64) -> F64:
    """e^x: x = n ln 2 + r with |r| <= ln(2)/2, and Taylor's series for e^r."""
    within = np.clip(x, -745, 709)
    n = np.floor(within * 1.4426950408889634 + 0.5)
    r = (within - n * _LN2_HIGH) - n * _LN2_LOW
    y = np.ldexp(1 + (r + r * r * _horner(r, _EXP)), n.astype(np.int32))
    return np.where(x < -745, 0.0, np.where(x > 709, np.inf, y))


def cos_sin(u: F64) -> tuple[F64, F64]:
    """cos and sin of 2 pi u for u >= 0: a quarter turn q and Taylor series within pi/4."""
    q = np.floor(4 * u + 0.5)
    a = (u - q * 0.25) * 6.283185307179586
    a2 = a * a
    s = a + a * (a2 * _horner(a2, _SIN))
    c = 1 + a2 * _horner(a2, _COS)
    turn = q.astype(np.int64) % 4
    return np.choose(turn, [c, -s, -c, s]), np.choose(turn, [s, c, -s, -c])


def power(base: Any, n: Any) -> Any:
    """base^n for whole n >= 0 by repeated squaring; also of numbers of a wider type."""
    result = np.ones_like(base)
    while np.any(n):
        result = np.where(n & 1, result * base, result)
        n, base = n >> 1, base * base
    return result[()]
