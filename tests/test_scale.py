"""Inputs on wild scales get a warning that names the remedy."""

import warnings

import numpy as np
import pytest

import deltarule as dr

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(300, 4)), RNG.integers(2, size=300)


def network(*first):
    return dr.Network([*first, dr.Dense(2, "softmax")], "cross_entropy")


@pytest.mark.parametrize(
    ("scale", "words"),
    [
        ([1, 1, 1000, 1], r"column 2 of X .* size of 1e\+03.*Normalization"),
        ([1e-5, 1e-4, 0, 0], "column 1 of X .* size of 0.0001"),
        ([255, 255, 255, 255], "column . and 3 more"),
    ],
)
def test_said(scale, words):
    net = network()
    data = X / np.sqrt(np.square(X[:256]).mean(axis=0)) * scale
    with pytest.warns(dr.ScaleWarning, match=words):
        net.fit(data, Y)
    net.fit(data, Y)  # once


@pytest.mark.parametrize(
    ("first", "scale"),
    [
        ([], [1, 20, 1e-5, 0]),
        ([dr.Normalization()], [1, 1000, 1e-5, 1]),
        ([dr.BatchNorm()], [1, 1000, 1e-5, 1]),
    ],
)
def test_not_said(first, scale):
    with warnings.catch_warnings():
        warnings.simplefilter("error", dr.ScaleWarning)
        network(*first).fit(X * scale, Y)


def test_squares_that_overflow():
    net = dr.Network([dr.Dense(1)], "mse", dr.SGD(1e-300), dtype="float64")
    with pytest.warns(dr.ScaleWarning, match="numbers of the size of inf"):
        warnings.simplefilter("ignore", dr.DivergenceWarning)
        net.fit(np.full((4, 2), 1e300), np.zeros(4))
