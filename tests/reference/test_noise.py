"""Noise: its random numbers in plain Python, its statistics, its formulas, bad calls."""

import math

import numpy as np
import pytest

from deltarule._check import NOISES
from deltarule.reference import noise_backward, noise_forward
from deltarule.reference.noise import dropped, normals
from deltarule.reference.random import blocks

SEED, LAYER, STEP = 0x0123456789ABCDEF, 0xABCDEF, 0xFEDCBA9876543210
PURPOSE = 3


def words(row, column, columns, together):
    """The two words of an element."""
    block = 8 * (row // together * math.ceil(columns / 16) + column // 16) + column % 16 // 2
    four = blocks(block, 1, SEED, PURPOSE, LAYER, STEP)[0].tolist()
    return four[column % 2], four[2 + column % 2]


def is_dropped(row, column, columns, p):
    word = words(row, column, columns, 4)[row % 4 // 2]
    if row % 2:
        word = (word << 16 | word >> 16) & 0xFFFFFFFF
    return word ^ 0x80000000 < round(p * 2**32)


def normal(row, column, columns):
    w, k = words(row, column, columns, 2)
    if w >> 31:
        ln = math.log(((w & 0x7FFFFFFF) + 0.5) / 2**32)
    else:
        ln = math.log1p(-((0x7FFFFFFF - w) + 0.5) / 2**32)
    angle = 2 * math.pi * (k - (k >> 31 << 32)) / 2**32
    return math.sqrt(-2 * ln) * (math.sin(angle) if row % 2 else math.cos(angle))


def test_numbers_by_the_book():
    for columns in (1, 16, 35):
        stream = (SEED, LAYER, STEP, 7)
        mask, z = dropped((9, columns), 0.4, stream), normals((9, columns), "f8", stream)
        for r in range(9):
            for c in range(columns):
                assert mask[r, c] == is_dropped(7 + r, c, columns, 0.4)
                assert z[r, c] == pytest.approx(normal(7 + r, c, columns), rel=0, abs=1e-14)


@pytest.mark.parametrize("p", [0.0, 0.001, 0.1, 0.5, 0.875, 0.999])
def test_as_many_are_dropped_as_should_be(p):
    n, columns = 4000, 250
    mask = dropped((n, columns), p, (3, 0, 0, 0))
    error = 5 * math.sqrt(p * (1 - p) / mask.size)
    assert abs(mask.mean() - p) <= error
    # every column and every place of a row among four
    assert np.abs(mask.mean(axis=0) - p).max() <= error * math.sqrt(columns)
    for place in range(4):
        assert abs(mask[place::4].mean() - p) <= 2 * error


def test_elements_are_independent():
    """Of neighbours in both directions, of those that share a word, and of two steps."""
    n, columns = 4000, 250
    mask, other = (dropped((n, columns), 0.5, (3, 0, step, 0)) * 2.0 - 1 for step in (0, 1))
    pairs = [
        (mask[:, :-1], mask[:, 1:]), (mask[0::4], mask[1::4]), (mask[2::4], mask[3::4]),
        (mask[1::4], mask[2::4]), (mask, other), (mask[:, :-16], mask[:, 16:]),
        (mask[:-4], mask[4:]),
    ]  # fmt: skip
    for a, b in pairs:
        assert abs(np.mean(a * b)) < 5 / math.sqrt(a.size)


def test_normal_is_normal():
    z = normals((1001, 200), "f8", (11, 0, 0, 0))
    for power, mean, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs(np.mean(z**power) - mean) < 5 * math.sqrt(variance / z.size)
    for a, b in [(z[0:-1:2], z[1::2]), (z[:, :-1], z[:, 1:]), (z[:-2], z[2:])]:
        assert abs(np.mean(a * b)) < 5 / math.sqrt(a.size)


@pytest.mark.parametrize("noise", NOISES)
def test_mean_and_variance_stay(noise):
    """dropout and gaussian_noise keep the mean; alpha_dropout of standard numbers the variance."""
    x = np.random.default_rng(0).normal(size=(2000, 200))
    y = noise_forward(noise, x, 0.3, seed=1)
    assert abs(np.mean(y)) < 5 * math.sqrt(2 / x.size)
    variance = {"dropout": 1 / 0.7, "alpha_dropout": 1.0, "gaussian_noise": 1.09}[noise]
    assert abs(np.var(y) / variance - 1) < 0.02


def test_formulas():
    x = np.array([[1.0, -2.0, 3.0, 0.5] * 8])
    mask = dropped(x.shape, 0.25, (1, 2, 3, 0))
    call = {"seed": 1, "layer": 2, "step": 3}
    assert 0 < mask.sum() < mask.size
    np.testing.assert_array_equal(
        noise_forward("dropout", x, 0.25, **call), np.where(mask, 0, x / 0.75)
    )
    alpha, p = -1.0507009873554805 * 1.6732632423543772, 0.25
    s = ((1 - p) * (1 + p * alpha**2)) ** -0.5
    np.testing.assert_allclose(
        noise_forward("alpha_dropout", x, p, **call),
        s * np.where(mask, alpha, x) - s * p * alpha, rtol=1e-14,
    )  # fmt: skip
    z = normals(x.shape, x.dtype, (1, 2, 3, 0))
    np.testing.assert_array_equal(
        noise_forward("gaussian_noise", x, 0.25, **call), x + 0.25 * z
    )


@pytest.mark.parametrize("noise", NOISES)
def test_slope_is_that_of_the_formula(noise, agree):
    """For one and the same noise."""
    rng = np.random.default_rng(0)
    x, dy, call = rng.normal(size=(6, 19)), rng.normal(size=(6, 19)), {"seed": 5, "row": 3}
    dx = noise_backward(noise, dy, 0.4, **call)
    agree(dx, lambda x: np.sum(dy * noise_forward(noise, x, 0.4, **call)), x)


@pytest.mark.parametrize("noise", NOISES)
def test_amount_0_changes_nothing(noise):
    x = np.random.default_rng(0).normal(size=(6, 19))
    np.testing.assert_array_equal(noise_forward(noise, x, 0.0, seed=1), x)
    np.testing.assert_array_equal(noise_backward(noise, x, 0.0, seed=1), x)


FROZEN_MASK = "000011100010100"
FROZEN_NORMALS = ["0.079115", "0.878204", "0.246337", "-0.041563", "0.521212", "-0.481651"]


def test_frozen_values():
    """Written down once: a change would change what every network with noise learns."""
    mask = dropped((3, 5), 0.5, (42, 0, 0, 0))
    assert "".join(str(int(b)) for b in mask.flat) == FROZEN_MASK
    z = normals((2, 3), "f4", (42, 0, 0, 0))
    assert [f"{v:.6f}" for v in z.flat] == FROZEN_NORMALS


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: noise_forward("drop_out", x, 0.5, seed=0), ValueError, "did you mean 'dropout'"),
        (lambda x: noise_forward("dropout", x, 1.0, seed=0), ValueError, "amount must be >= 0 and"),
        (lambda x: noise_forward("dropout", x, -0.1, seed=0), ValueError, "amount must be >= 0"),
        (lambda x: noise_forward("dropout", x, "0", seed=0), TypeError, "amount must be a real"),
        (lambda x: noise_forward("gaussian_noise", x, -1, seed=0), ValueError, "amount must be >="),
        (lambda x: noise_forward("dropout", x, math.nan, seed=0), ValueError, "amount must be fin"),
        (lambda x: noise_forward("dropout", x, 0.5, seed=-1), ValueError, "seed must be >= 0"),
        (lambda x: noise_forward("dropout", x, 0.5, seed=0, layer=1 << 24), ValueError, "layer"),
        (lambda x: noise_forward("dropout", x, 0.5, seed=0, step=1.5), TypeError, "step must be"),
        (lambda x: noise_forward("dropout", x, 0.5, seed=0, row=-1), ValueError, "row must be >="),
        (lambda x: noise_forward("dropout", x.astype(int), 0.5, seed=0), TypeError, "x must be fl"),
        (lambda x: noise_backward("dropout", x[0, 0], 0.5, seed=0), ValueError, "dy must have at"),
    ],
)  # fmt: skip
def test_bad_calls(call, error, text):
    with pytest.raises(error, match=text):
        call(np.ones((2, 3)))
