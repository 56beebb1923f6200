"""Random numbers from Philox4x32-10: a number is a function of what it is for, not of a sequence.

Element e of a stream (seed, purpose, layer, step) is computed on its own, in any order and on any
thread, with + - * / and sqrt only, so that C and numpy give the same bits. Source: Salmon, Moraes,
Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
"""

import numpy as np
import numpy.typing as npt

from .. import _check
from .._scalar import F64, cos_sin, ln

U64 = npt.NDArray[np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85  # golden ratio and sqrt(3) - 1: the key of round r is k + r W
_BLOCKS = 1 << 15  # blocks worked on together: their arrays of 64-bit words stay in the cache


def philox(counter: tuple[U64, U64, U64, U64], key: tuple[int, int]) -> tuple[U64, U64, U64, U64]:
    """Ten rounds of Philox on arrays of 32-bit words (held in uint64): four words each block.

    A round multiplies two words by constants to 64 bits and mixes: the low halves move across,
    the high halves are xored with the other two words and the round's key.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (p1 >> _HALF) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _HALF) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return c0, c1, c2, c3


def blocks(
    first: int, count: int, seed: int, purpose: int, layer: int, step: int
) -> npt.NDArray[np.uint32]:
    """Blocks first .. first + count - 1 of a stream, four words each: (count, 4).

    key = (seed low, seed high); counter = (block, purpose << 24 | layer, step low, step high).
    """
    out = np.empty((count, 4), np.uint32)
    rest = (purpose << 24 | layer, step & 0xFFFFFFFF, step >> 32)
    for start in range(0, count, _BLOCKS):
        block = np.arange(first + start, first + min(start + _BLOCKS, count), dtype=np.uint64)
        c1, c2, c3 = (np.full_like(block, word) for word in rest)
        four = philox((block, c1, c2, c3), (seed & 0xFFFFFFFF, seed >> 32))
        for column, word in enumerate(four):
            out[start : start + _BLOCKS, column] = word
    return out


def words(n: int, seed: int, purpose: int, layer: int, step: int) -> npt.NDArray[np.uint32]:
    """The first n words of a stream: word e is word e mod 4 of block e div 4."""
    return blocks(0, -(-n // 4), seed, purpose, layer, step).reshape(-1)[:n]


def uniforms(n: int, seed: int, purpose: int, layer: int, step: int) -> F64:
    """n multiples of 2^-53 in [0, 1): 27 bits of one word above 26 bits of the next."""
    pairs = words(2 * n, seed, purpose, layer, step).reshape(n, 2)
    a, b = pairs[:, 0] >> np.uint32(5), pairs[:, 1] >> np.uint32(6)
    u: F64 = (a * 67108864.0 + b) * 2.0**-53
    return u


def normals(n: int, seed: int, purpose: int, layer: int, step: int) -> F64:
    """n standard normal numbers, two from each pair of uniforms (Box & Muller, 1958).

    If u1, u2 are uniform, r = sqrt(-2 ln u1) and the angle 2 pi u2 are the polar coordinates of
    two independent normals. 1 - u in place of u avoids the logarithm of 0.
    """
    u = uniforms(n + n % 2, seed, purpose, layer, step).reshape(-1, 2)
    r = np.sqrt(-2 * ln(1 - u[:, 0]))
    cos, sin = cos_sin(u[:, 1])
    return np.stack([r * cos, r * sin], axis=1).reshape(-1)[:n]


def _multiply_high(a: U64, b: U64) -> U64:
    """floor(a b / 2^64), exactly, from the four products of 32-bit halves."""
    a1, a0, b1, b0 = a >> _HALF, a & _LOW, b >> _HALF, b & _LOW
    cross1, cross0 = a1 * b0, a0 * b1
    carry = ((a0 * b0 >> _HALF) + (cross1 & _LOW) + (cross0 & _LOW)) >> _HALF
    high: U64 = a1 * b1 + (cross1 >> _HALF) + (cross0 >> _HALF) + carry
    return high


def permutation(n: int, seed: int, purpose: int, layer: int, step: int) -> npt.NDArray[np.int64]:
    """A random order of 0..n-1 by Fisher & Yates (1938), as Durstenfeld (1964) does it in place.

    For i from n-1 down to 1, position i is swapped with j = floor(u (i + 1) / 2^64), u the 64 bits
    of words 2i and 2i + 1. The bias of this j is below (i + 1) / 2^64.
    """
    pairs = words(2 * n, seed, purpose, layer, step).reshape(n, 2).astype(np.uint64)
    u = pairs[:, 0] << _HALF | pairs[:, 1]
    chosen = _multiply_high(u, np.arange(1, n + 1, dtype=np.uint64)).tolist()
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = chosen[i]
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def random_bits(
    n: int, *, seed: int, purpose: str, layer: int = 0, step: int = 0
) -> npt.NDArray[np.uint32]:
    """n random 32-bit words, uint32 (n,): the raw output of Philox4x32-10 (Salmon et al., 2011).

    `seed` and `step` are 64-bit, `layer` 24-bit numbers >= 0; `purpose` is "weight", "bias",
    "shuffle" or "noise". Streams that differ in any of the four are independent, and a longer
    stream begins with the shorter one.

    Raises ValueError for numbers out of range or an unknown purpose, TypeError for other types.
    """
    return words(*_check.random_arguments(n, 1, seed, purpose, layer, step))


def random_uniform(n: int, *, seed: int, purpose: str, layer: int = 0, step: int = 0) -> F64:
    """n uniform random numbers in [0, 1), float64 (n,), multiples of 2^-53.

    Element e is ((a >> 5) 2^26 + (b >> 6)) 2^-53 with a, b words 2e, 2e + 1 of random_bits.
    Arguments and errors as for random_bits.
    """
    return uniforms(*_check.random_arguments(n, 2, seed, purpose, layer, step))


def random_normal(n: int, *, seed: int, purpose: str, layer: int = 0, step: int = 0) -> F64:
    """n standard normal random numbers, float64 (n,), by Box & Muller (1958).

    Elements 2p and 2p + 1 are r cos a and r sin a with r = sqrt(-2 ln(1 - u)), a = 2 pi u', from
    elements 2p and 2p + 1 of random_uniform. Arguments and errors as for random_bits.
    """
    return normals(*_check.random_arguments(n, 2, seed, purpose, layer, step))


def random_permutation(
    n: int, *, seed: int, purpose: str, layer: int = 0, step: int = 0
) -> npt.NDArray[np.int64]:
    """The numbers 0..n-1 in random order, int64 (n,), by Fisher & Yates (1938).

    Arguments and errors as for random_bits.
    """
    return permutation(*_check.random_arguments(n, 2, seed, purpose, layer, step))
