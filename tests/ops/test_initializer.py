"""Initial values: the bits of the reference, for every name in _check.INITIALIZERS."""

import itertools

import numpy as np
import pytest

from deltarule import ops, reference
from deltarule._check import INITIALIZERS

SHAPES = [(1, 1), (1, 2), (3, 1), (2, 3), (16, 17), (33, 31), (128, 129), (784, 10)]


@pytest.mark.parametrize("initializer", INITIALIZERS)
@pytest.mark.parametrize("purpose", ["weight", "bias"])
def test_same_bits(dtype, initializer, purpose):
    for (n_in, n_out), seed, layer in itertools.product(SHAPES, (0, 7, 2**64 - 1), (0, 5)):
        call = {"seed": seed, "layer": layer, "purpose": purpose, "dtype": dtype}
        call |= {"gain": 1.25, "mean": -0.5} if layer else {}
        got = ops.initialize(initializer, n_in, n_out, **call)
        expected = reference.initialize(initializer, n_in, n_out, **call)
        assert got.dtype == expected.dtype == dtype
        assert got.shape == ((n_in, n_out) if purpose == "weight" else (n_out,))
        assert got.flags.c_contiguous and got.flags.writeable
        assert got.tobytes() == expected.tobytes(), (n_in, n_out, call)


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_float32_is_float64_rounded(initializer):
    wide = ops.initialize(initializer, 33, 31, seed=1, dtype="float64")
    narrow = ops.initialize(initializer, 33, 31, seed=1, dtype="float32")
    np.testing.assert_array_equal(wide.astype(np.float32), narrow)


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_streams_differ(initializer):
    """Another seed, layer or purpose draws other numbers, unless there is nothing to draw."""
    calls = [{"seed": 1}, {"seed": 2}, {"seed": 1, "layer": 1}]
    drawn = [ops.initialize(initializer, 5, 7, **call) for call in calls]
    if initializer in ("zeros", "ones", "constant"):
        assert all((a == (initializer != "zeros")).all() for a in drawn)
        return
    bias = ops.initialize(initializer, 5, 7, seed=1, purpose="bias")
    assert len({a.tobytes() for a in drawn}) == 3
    assert bias.tobytes() != drawn[0][0].tobytes()
