"""Random numbers: the bits of the reference, whatever the stream and its length."""

import itertools

import numpy as np
import pytest

from deltarule import _fast, ops, reference
from deltarule._check import PURPOSES

from .guard import Guard, refuse_bad_buffers

NAMES = [name for name in reference.__all__ if name.startswith("random_")]
SIZES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000, 4099)
SEEDS = (0, 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 0x123456789ABCDEF0)
STEPS = (0, 1, 2**32 - 1, 2**32, 2**64 - 1)
LAYERS = (0, 1, 2**24 - 1)
each = pytest.mark.parametrize("name", NAMES)


@each
def test_every_length(name):
    for n in SIZES:
        call = {"seed": 5, "purpose": "shuffle", "layer": 3, "step": 9}
        got, expected = (getattr(run, name)(n, **call) for run in (ops, reference))
        assert got.dtype == expected.dtype and got.shape == (n,)
        assert got.tobytes() == expected.tobytes(), n


@each
def test_every_stream(name):
    seen = set()
    for seed, purpose, layer, step in itertools.product(SEEDS, PURPOSES, LAYERS, STEPS):
        call = {"seed": seed, "purpose": purpose, "layer": layer, "step": step}
        got, expected = (getattr(run, name)(37, **call) for run in (ops, reference))
        assert got.tobytes() == expected.tobytes(), call
        seen.add(got.tobytes())
    assert len(seen) == len(SEEDS) * len(PURPOSES) * len(LAYERS) * len(STEPS)


@each
def test_long_stream(name):
    call = {"seed": 11, "purpose": "weight"}
    n = 200_001
    got, expected = (getattr(run, name)(n, **call) for run in (ops, reference))
    assert got.tobytes() == expected.tobytes()


@each
def test_instruction_sets_agree(name, isa):
    """Random numbers are not among the kernels, and no instruction set may change them."""
    call = {"seed": 3, "purpose": "bias"}
    got, expected = (getattr(run, name)(999, **call) for run in (ops, reference))
    assert got.tobytes() == expected.tobytes()


@each
def test_guarded(name):
    for n in SIZES:
        guard = Guard()
        expected = getattr(reference, name)(n, seed=5, purpose="bias", layer=3, step=9)
        out = guard.output(expected.dtype, n)
        getattr(_fast, name)(out, n, 5, PURPOSES["bias"], 3, 9)
        guard.check((name, n))
        assert out.tobytes() == expected.tobytes(), n


@each
def test_bad_buffers(name):
    out = getattr(reference, name)(5, seed=5, purpose="bias")

    def call(n, array):
        getattr(_fast, name)(array, n, 5, 1, 0, 0)

    refuse_bad_buffers(call, (5,), {}, {"out": out})


@each
@pytest.mark.parametrize("bad", [(-1, 0, 0), (2**64, 0, 0), (0, 2**32, 0), (0, 0, -1)])
def test_bad_streams(name, bad):
    """Numbers that C has no room for raise, without writing."""
    out = getattr(reference, name)(5, seed=5, purpose="bias")
    before = out.tobytes()
    seed, layer, step = bad
    with pytest.raises(OverflowError):
        getattr(_fast, name)(out, 5, seed, 1, layer, step)
    assert out.tobytes() == before


def test_permutation_is_one():
    for n in SIZES:
        order = ops.random_permutation(n, seed=n, purpose="shuffle")
        np.testing.assert_array_equal(np.sort(order), np.arange(n))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 8, 9, 100, 4096, 4097, 100_000])
def test_shuffles_as_numpy_does(n):
    """By the same numbers: orders and what the generator is left in, again and again."""
    mine, theirs = np.random.RandomState(n), np.random.RandomState(n)
    order, expected = np.arange(n), np.arange(n)
    shuffle = _fast.Shuffle(order, mine)
    for _ in range(3):
        shuffle.shuffle()
        theirs.shuffle(expected)
        np.testing.assert_array_equal(order, expected)
    assert mine.random_sample() == theirs.random_sample()


def test_other_generators_shuffle_as_well():
    mine, theirs = (np.random.RandomState(np.random.PCG64(5)) for _ in range(2))
    order, expected = np.arange(99), np.arange(99)
    _fast.Shuffle(order, mine).shuffle()
    theirs.shuffle(expected)
    np.testing.assert_array_equal(order, expected)


def test_shuffle_refuses():
    for bad in (np.arange(9.0), np.arange(9)[::2], np.arange(9, dtype="int32")):
        with pytest.raises(ValueError):
            _fast.Shuffle(bad, np.random.RandomState(0))
    frozen = np.arange(9)
    frozen.flags.writeable = False
    with pytest.raises((BufferError, ValueError)):
        _fast.Shuffle(frozen, np.random.RandomState(0))
    with pytest.raises(AttributeError):
        _fast.Shuffle(np.arange(9), object())
