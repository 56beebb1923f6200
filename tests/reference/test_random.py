"""Random numbers: the published vectors of Philox, the formulas in plain Python, the statistics."""

import math

import numpy as np
import pytest

from deltarule.reference import (
    random_bits,
    random_normal,
    random_permutation,
    random_uniform,
)
from deltarule.reference.random import _multiply_high, philox

FUNCTIONS = [random_bits, random_uniform, random_normal, random_permutation]
FULL = 0xFFFFFFFF

FROZEN_BITS = [2632642643, 2012563771]
FROZEN_UNIFORM = ["0x1.39d5e09dfd524p-1", "0x1.2bf50aae85678p-4"]
FROZEN_NORMAL = ["0x1.3c0aeecaa53d3p+0", "0x1.394464e1203f7p-1"]
FROZEN_PERMUTATION = [1, 0, 6, 2, 7, 3, 5, 4]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((FULL,) * 4, (FULL, FULL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(counter, key, expected):
    """The vectors published with the generator."""
    words = philox(tuple(np.array([c], np.uint64) for c in counter), key)
    assert tuple(int(w[0]) for w in words) == expected


def philox_in_python(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & FULL, p0 >> 32 ^ c[3] ^ k[1], p0 & FULL]
        k = [(k[0] + 0x9E3779B9) & FULL, (k[1] + 0xBB67AE85) & FULL]
    return c


SEED, LAYER, STEP = 0x0123456789ABCDEF, 0xABCDEF, 0xFEDCBA9876543210


def test_where_seed_purpose_layer_and_step_go():
    bits = random_bits(11, seed=SEED, purpose="shuffle", layer=LAYER, step=STEP)
    assert bits.dtype == np.uint32
    expected = [
        word
        for block in range(3)
        for word in philox_in_python(
            (block, 2 << 24 | LAYER, 0x76543210, 0xFEDCBA98), (0x89ABCDEF, 0x01234567)
        )
    ]
    assert bits.tolist() == expected[:11]


def test_many_blocks():
    n = (1 << 17) + 4 * 3 + 1  # one chunk of blocks and a bit of the next
    bits = random_bits(n, seed=1, purpose="weight")
    for block in (0, (1 << 15) - 1, 1 << 15, (1 << 15) + 2):
        expected = philox_in_python((block, 0, 0, 0), (1, 0))
        assert bits[4 * block : 4 * block + 4].tolist() == expected


def test_uniform_from_the_bits():
    stream = {"seed": SEED, "purpose": "bias", "layer": 3, "step": 5}
    w = random_bits(14, **stream).tolist()
    expected = [((w[2 * e] >> 5) * 2**26 + (w[2 * e + 1] >> 6)) / 2**53 for e in range(7)]
    assert random_uniform(7, **stream).tolist() == expected


def ln_in_python(u):
    m, e = math.frexp(u)
    if m < 0.70710678118654752:
        m, e = m * 2, e - 1
    s = (m - 1) / (m + 1)
    z = s * s
    p = 1 / 23
    for k in range(9, -1, -1):
        p = p * z + 1 / (2 * k + 3)
    t = 2 * s
    return e * 0.69314718055994531 + (t + t * (z * p))


def cos_sin_in_python(u):
    q = math.floor(4 * u + 0.5)
    a = (u - q * 0.25) * 6.283185307179586
    a2 = a * a
    sine, cosine = 1 / math.factorial(17), 1 / math.factorial(16)
    for k in range(6, -1, -1):
        sine = sine * a2 + (-1) ** (k + 1) / math.factorial(2 * k + 3)
        cosine = cosine * a2 + (-1) ** (k + 1) / math.factorial(2 * k + 2)
    s, c = a + a * (a2 * sine), 1 + a2 * cosine
    return [(c, s), (-s, c), (-c, -s), (s, -c)][q % 4]


def test_normal_from_the_uniforms():
    stream = {"seed": SEED, "purpose": "weight", "layer": 1}
    u = random_uniform(1000, **stream).tolist()
    expected = []
    for p in range(500):
        r = math.sqrt(-2 * ln_in_python(1 - u[2 * p]))
        cos, sin = cos_sin_in_python(u[2 * p + 1])
        expected += [r * cos, r * sin]
    assert random_normal(1000, **stream).tolist() == expected


def test_permutation_by_the_book():
    n, stream = 1000, {"seed": 7, "purpose": "shuffle", "step": 3}
    w = random_bits(2 * n, **stream).tolist()
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = ((w[2 * i] << 32 | w[2 * i + 1]) * (i + 1)) >> 64
        order[i], order[j] = order[j], order[i]
    result = random_permutation(n, **stream)
    assert result.dtype == np.int64
    assert result.tolist() == order


def test_multiply_high_is_exact():
    ends = [0, 1, 2, FULL, FULL + 1, 2**63, 2**64 - 1, 0x123456789ABCDEF0]
    for a in ends:
        for b in ends:
            high = _multiply_high(np.array([a], np.uint64), np.array([b], np.uint64))
            assert int(high[0]) == (a * b) >> 64


def test_uniform_is_uniform():
    n = 200_000
    u = random_uniform(n, seed=11, purpose="weight")
    assert u.min() >= 0
    assert u.max() < 1
    # five standard errors: sd of u is sqrt(1/12), of (u - 1/2)^2 sqrt(1/180)
    assert abs(u.mean() - 0.5) < 5 * math.sqrt(1 / 12 / n)
    assert abs(np.mean((u - 0.5) ** 2) - 1 / 12) < 5 * math.sqrt(1 / 180 / n)
    counts = np.bincount((u * 16).astype(int), minlength=16)
    assert np.abs(counts - n / 16).max() < 5 * math.sqrt(n / 16)


def test_normal_is_normal():
    n = 200_000
    z = random_normal(n, seed=11, purpose="weight")
    # variances of z, z^2, z^3, z^4 are 1, 2, 15, 96
    for power, mean, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs(np.mean(z**power) - mean) < 5 * math.sqrt(variance / n)
    assert abs(np.mean(z[::2] * z[1::2])) < 5 / math.sqrt(n / 2)


def test_permutations_are_permutations_and_uniform():
    for n in (0, 1, 2, 3, 17, 1000):
        order = random_permutation(n, seed=5, purpose="shuffle")
        assert sorted(order.tolist()) == list(range(n))
    seen = {}
    for step in range(2400):
        order = tuple(random_permutation(4, seed=5, purpose="shuffle", step=step).tolist())
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 24
    assert sum((count - 100) ** 2 / 100 for count in seen.values()) < 55  # chi^2, 23 df, p < 2e-4


@pytest.mark.parametrize("function", FUNCTIONS)
def test_streams_differ(function):
    streams = [
        {"seed": 0, "purpose": "weight"},
        {"seed": 1, "purpose": "weight"},
        {"seed": 1 << 32, "purpose": "weight"},
        {"seed": 0, "purpose": "bias"},
        {"seed": 0, "purpose": "shuffle"},
        {"seed": 0, "purpose": "weight", "layer": 1},
        {"seed": 0, "purpose": "weight", "step": 1},
        {"seed": 0, "purpose": "weight", "step": 1 << 32},
    ]
    results = [tuple(function(16, **stream).tolist()) for stream in streams]
    assert len(set(results)) == len(streams)
    again = [tuple(function(16, **stream).tolist()) for stream in streams]
    assert results == again


@pytest.mark.parametrize("function", FUNCTIONS[:3])
def test_a_longer_stream_begins_with_the_shorter(function):
    long = function(23, seed=1, purpose="weight")
    for n in range(23):
        np.testing.assert_array_equal(function(n, seed=1, purpose="weight"), long[:n])


def test_frozen_values():
    """Written down once: a change would change every seeded network."""
    stream = {"seed": 42, "purpose": "weight"}
    assert random_bits(2, **stream).tolist() == FROZEN_BITS
    assert [u.hex() for u in random_uniform(2, **stream).tolist()] == FROZEN_UNIFORM
    assert [z.hex() for z in random_normal(2, **stream).tolist()] == FROZEN_NORMAL
    assert random_permutation(8, **stream).tolist() == FROZEN_PERMUTATION


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bad_calls(function):
    with pytest.raises(ValueError, match="n must be >= 0"):
        function(-1, seed=0, purpose="weight")
    with pytest.raises(TypeError, match="seed must be an integer"):
        function(1, seed=0.5, purpose="weight")
    with pytest.raises(ValueError, match="did you mean 'shuffle'"):
        function(1, seed=0, purpose="shufle")
