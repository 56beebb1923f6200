"""Argument checks: what is accepted, and the exception and words for what is not."""

import decimal
import fractions
import re
from pathlib import Path

import numpy as np
import pytest

from deltarule import _check

INTEGER_CHECKS = [_check.positive_int, _check.non_negative_int]
REAL_CHECKS = [_check.positive_real, _check.non_negative_real, _check.fraction]


def test_the_order_of_names_is_that_of_the_c_enums():
    header = (Path(__file__).parents[1] / "csrc" / "deltarule.h").read_text()
    enum = header.split("DR_N_ACTIVATIONS")[0].split("typedef enum {")[-1]
    names = re.findall(r"DR_(\w+)", enum)
    assert tuple(name.lower() for name in names) == _check.ACTIVATIONS
    assert _check.PURPOSES == {"weight": 0, "bias": 1, "shuffle": 2, "noise": 3, "split": 4}
    noises = re.search(r"typedef enum \{ ([^}]*), DR_N_NOISES \}", header)
    assert noises and noises[1].lower() == ", ".join(f"dr_{name}" for name in _check.NOISES)


@pytest.mark.parametrize("name", _check.ACTIVATIONS)
def test_choice_returns_a_known_name(name):
    assert _check.choice("activation", name, _check.ACTIVATIONS) == name


@pytest.mark.parametrize(
    ("wrong", "meant"), [("rleu", "relu"), ("ReLU", "relu"), ("Leaky-ReLU", "leaky_relu")]
)
def test_choice_suggests_the_nearest_name(wrong, meant):
    with pytest.raises(ValueError, match=rf"activation must be .*did you mean '{meant}'\?"):
        _check.choice("activation", wrong, _check.ACTIVATIONS)


def test_choice_without_a_near_name_lists_all():
    with pytest.raises(ValueError, match=r"'zeros', 'ones', 'constant', .*got 'zzz'$"):
        _check.choice("initializer", "zzz", _check.INITIALIZERS)


@pytest.mark.parametrize("wrong", [None, 3, b"relu", ["relu"]])
def test_choice_refuses_what_is_no_string(wrong):
    with pytest.raises(TypeError, match="activation must be a string"):
        _check.choice("activation", wrong, _check.ACTIVATIONS)


@pytest.mark.parametrize("check", INTEGER_CHECKS)
def test_integers(check):
    for value in (7, np.int8(7), np.uint64(7)):
        result = check("n", value)
        assert result == 7
        assert type(result) is int
    for wrong in (True, np.True_, 7.0, np.float32(7), "7", None):
        with pytest.raises(TypeError, match="n must be an integer"):
            check("n", wrong)
    with pytest.raises(ValueError, match=r"n must be >= .*got -1"):
        check("n", -1)


def test_zero_is_not_positive():
    assert _check.non_negative_int("n", 0) == 0
    with pytest.raises(ValueError, match="n must be >= 1, got 0"):
        _check.positive_int("n", 0)


@pytest.mark.parametrize("check", REAL_CHECKS)
def test_reals(check):
    for value in (0.5, np.float32(0.5), np.float64(0.5), fractions.Fraction(1, 2)):
        result = check("rate", value)
        assert result == 0.5
        assert type(result) is float
    for wrong in (True, np.True_, "0.5", None, 1j, [0.5], decimal.Decimal("0.5")):
        with pytest.raises(TypeError, match="rate must be a real number"):
            check("rate", wrong)
    for wrong in (np.nan, np.inf, -np.inf, 10**400):
        with pytest.raises(ValueError, match="rate must be finite"):
            check("rate", wrong)
    with pytest.raises(ValueError, match=r"rate must be .*got -0.5"):
        check("rate", -0.5)


def test_the_ends_of_the_ranges():
    assert _check.non_negative_real("rate", 0) == 0.0
    assert _check.fraction("rate", 0) == 0.0
    with pytest.raises(ValueError, match="rate must be > 0"):
        _check.positive_real("rate", 0)
    with pytest.raises(ValueError, match=r"rate must be >= 0 and < 1, got 1.0"):
        _check.fraction("rate", 1)


def test_alpha():
    assert _check.activation("leaky_relu", None) == 0.01
    assert _check.activation("leaky_relu", 0.3) == 0.3
    assert _check.activation("relu", None) == 0.0
    with pytest.raises(ValueError, match="alpha is not a parameter of 'relu'"):
        _check.activation("relu", 0.1)
    with pytest.raises(ValueError, match="alpha must be >= 0"):
        _check.activation("leaky_relu", -0.1)


def test_float_dtype():
    for name in ("float32", np.float32, np.dtype(">f4")):
        found = _check.float_dtype("dtype", name)
        assert found == np.float32
        assert found.isnative
    for wrong in ("float16", "int32", "nonsense"):
        with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'"):
            _check.float_dtype("dtype", wrong)
    for wrong in (None, np.int32, 3):
        with pytest.raises(TypeError, match="dtype must be 'float32' or 'float64'"):
            _check.float_dtype("dtype", wrong)


def unaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    raw[...] = a
    return raw


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    "shape_it",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.astype(a.dtype.newbyteorder()),
        unaligned,
    ],
    ids=["fortran", "strided", "reversed", "byte order", "unaligned"],
)
def test_real_array_makes_any_layout_plain(dtype, shape_it):
    a = np.arange(15, dtype=dtype).reshape(3, 5)
    given = shape_it(a)
    given.flags.writeable = False
    plain = _check.real_array("x", given, ndim=2, shape=(3, None))
    assert plain.flags.c_contiguous
    assert plain.flags.aligned
    assert plain.dtype.isnative
    assert plain.dtype == a.dtype
    np.testing.assert_array_equal(plain, a)


@pytest.mark.parametrize(
    "wrong",
    [[[1, 2]], [["a"]], np.ones(2, complex), np.ones(2, object), np.ones(2, "f2"), [True], None],
)
def test_real_array_takes_only_float32_and_float64(wrong):
    with pytest.raises(TypeError, match="x must be float32 or float64, got dtype"):
        _check.real_array("x", wrong)


def test_real_array_converts_numbers_when_told_the_dtype():
    for a in ([[1, 2]], np.ones((1, 2), bool), np.ones((1, 2), np.uint8), np.ones((1, 2), "f2")):
        assert _check.real_array("x", a, dtype="float32").dtype == np.float32
    for wrong in (["a"], [1j], [None], np.array(["2020"], "M8[D]")):
        with pytest.raises(TypeError, match="x must hold real numbers, got dtype"):
            _check.real_array("x", wrong, dtype="float32")
    with pytest.raises(ValueError, match="x has values too large for float32"):
        _check.real_array("x", [1e39], dtype="float32")
    assert np.isinf(_check.real_array("x", [np.inf], dtype="float32"))


def test_real_array_shapes():
    x = np.ones((3, 4))
    with pytest.raises(ValueError, match=r"x must have 1 dimension, got shape \(3, 4\)"):
        _check.real_array("x", x, ndim=1)
    with pytest.raises(ValueError, match=r"x must have shape \(3, 5\), got \(3, 4\)"):
        _check.real_array("x", x, shape=(3, 5))
    with pytest.raises(ValueError, match=r"x must have shape \(any,\), got \(3, 4\)"):
        _check.real_array("x", x, shape=(None,))
    with pytest.raises(ValueError, match="x cannot be made into an array"):
        _check.real_array("x", [[1.0], [1.0, 2.0]])
    with pytest.raises(TypeError, match="x must be a plain array, got a masked array"):
        _check.real_array("x", np.ma.masked_less(x, 0))


def test_same_dtype():
    single, double = np.ones(2, "f4"), np.ones(2, "f8")
    assert _check.same_dtype(x=single, w=None, b=single) == np.float32
    with pytest.raises(TypeError, match="b must have the dtype of x, float32; got dtype float64"):
        _check.same_dtype(x=single, w=single, b=double)


@pytest.mark.parametrize("dtype", ["i1", "u1", ">i4", "i8", "u8"])
def test_labels_are_an_own_copy(dtype):
    given = np.array([0, 2, 1], dtype)
    own = _check.labels("t", given, 3, 3)
    assert own.dtype == np.int64
    assert not np.shares_memory(own, given)
    assert own.tolist() == [0, 2, 1]


def test_labels_out_of_range_name_the_row():
    with pytest.raises(ValueError, match="t has label -1 at row 3; expected 0 <= label < 10"):
        _check.labels("t", [0, 1, 9, -1, 10], 5, 10)
    with pytest.raises(ValueError, match="label 10 at row 0"):
        _check.labels("t", [10], 1, 10)
    with pytest.raises(ValueError, match=f"label {2**64 - 1} at row 1"):
        _check.labels("t", np.array([0, 2**64 - 1], np.uint64), 2, 10)
    assert _check.labels("t", np.array([255], np.uint8), 1, 1000).tolist() == [255]


def test_labels_may_be_booleans_of_two_classes():
    assert _check.labels("t", [True, False], 2, 2).tolist() == [1, 0]
    with pytest.raises(ValueError, match="label 1 at row 1"):
        _check.labels("t", [False, True], 2, 1)


def test_labels_of_a_wrong_kind():
    for wrong in ([0.0, 1.0], ["a", "b"], [None, 1]):
        with pytest.raises(TypeError, match="t must be integer labels, got dtype"):
            _check.labels("t", wrong, 2, 2)
    with pytest.raises(ValueError, match=r"t must have shape \(3,\), got \(2,\)"):
        _check.labels("t", [0, 1], 3, 2)
    assert _check.labels("t", np.empty(0, int), 0, 2).shape == (0,)


def test_sample_weight():
    assert _check.sample_weight("w", [1, 0], 2, "float32").dtype == np.float32
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"w must be finite and >= 0, got .* at row 1"):
            _check.sample_weight("w", [1.0, bad], 2, "float64")
    with pytest.raises(ValueError, match=r"w must have shape \(3,\), got \(2,\)"):
        _check.sample_weight("w", [1.0, 1.0], 3, "float64")
    with pytest.raises(TypeError, match="w must hold real numbers"):
        _check.sample_weight("w", ["1"], 1, "float64")


def test_random_arguments_end_where_the_counter_does():
    full = (1 << 64) - 1
    assert _check.random_arguments(0, 1, full, "shuffle", (1 << 24) - 1, full)[1:] == (
        full,
        2,
        (1 << 24) - 1,
        full,
    )
    for n, words, seed, layer, step, name in [
        ((1 << 34) + 1, 1, 0, 0, 0, "n"),
        ((1 << 33) + 1, 2, 0, 0, 0, "n"),
        (1, 1, 1 << 64, 0, 0, "seed"),
        (1, 1, -1, 0, 0, "seed"),
        (1, 1, 0, 1 << 24, 0, "layer"),
        (1, 1, 0, 0, 1 << 64, "step"),
    ]:
        with pytest.raises(ValueError, match=f"{name} must be >= 0 and <"):
            _check.random_arguments(n, words, seed, "weight", layer, step)
