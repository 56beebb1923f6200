"""How far the elementary functions of the C core are off, in units in the last place.

exp, sigmoid, tanh, softplus, gelu and their kin are activations; log, log1p, expm1 and erf are
reached through _fast.elementary. A softmax of rows (x, 0) is e^x / (1 + e^x), by another way than
sigmoid.

float32 is measured against float64 (numpy's functions, erf by math.erf), float64 against long
double where that has more bits: numpy's functions, and for erf the formula of the reference, which
is examined in tests/reference/test_normal.py.
`pytest -m long -s tests/test_math.py` measures all float32 numbers and prints the maxima.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast, losses
from deltarule.reference import normal

ISAS = [name for name, supported in dr.config()["isas"].items() if supported]
PRECISE = np.finfo(np.longdouble).nmant >= 63
precise = pytest.mark.skipif(not PRECISE, reason="long double has no more bits than double")
Function = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = dr.get_isa()
    dr.set_isa(request.param)
    yield request.param
    dr.set_isa(before)


# --------------------------------------------------------------------------------- the functions
def activation(name: str) -> Function:
    return lambda x: dr.ops.activation_forward(name, x)


def elementary(name: str) -> Function:
    def run(x: np.ndarray) -> np.ndarray:
        y = np.empty_like(x)
        _fast.elementary(x.dtype.name, name, x, y)
        return y

    return run


def softmax_of_pair(x: np.ndarray) -> np.ndarray:
    return dr.ops.activation_forward("softmax", np.stack([x, np.zeros_like(x)], axis=1))[:, 0]


def exact_sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def exact_softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def exact_erf(x: np.ndarray) -> np.ndarray:
    if x.dtype != np.float64:
        return normal.erf(x)
    # beyond 7, and in float32 below 1e-4, numpy does it faster
    y = np.where(np.abs(x) < 1e-4, x * (2 / math.sqrt(math.pi)) * (1 - x * x / 3), np.sign(x))
    bends = (np.abs(x) >= 1e-4) & (np.abs(x) < 7)
    y[bends] = np.frompyfunc(math.erf, 1, 1)(x[bends]).astype(np.float64)
    return np.where(np.isnan(x), x, y)


def exact_gelu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, -1000) * normal.below(x)


def exact_gelu_tanh(x: np.ndarray) -> np.ndarray:
    z = np.clip(x, -1000, 1000)
    line = np.sqrt(2 / np.arctan(x.dtype.type(1)))
    cube = x.dtype.type(44715) / x.dtype.type(1_000_000)
    return np.maximum(x, -1000) * exact_sigmoid(line * (z + cube * z**3))


def exact_mish(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, -20000) * np.tanh(exact_softplus(x))


def everywhere(x: np.ndarray) -> np.ndarray:
    return np.ones(x.shape, bool)


class Case(NamedTuple):
    """A function and what is promised of it where `domain` holds: at most so many ulp. Without FMA,
    which sees the remainder of a division or a product, half as much again unless given."""

    function: Function
    exact: Function
    bound: float
    domain: Function = everywhere
    without_fma: float | None = None


CASES = {
    "exp": Case(activation("exp"), np.exp, 1.5),
    "expm1": Case(elementary("expm1"), np.expm1, 1.5, lambda x: x <= 0),
    "log": Case(
        elementary("log"), np.log, 1.0, lambda x: (x >= np.finfo(x.dtype).tiny) & (x < np.inf)
    ),
    "log1p": Case(elementary("log1p"), np.log1p, 1.5, lambda x: (x >= 0) & (x <= 1)),
    "tanh": Case(activation("tanh"), np.tanh, 2.0),
    "sigmoid": Case(activation("sigmoid"), exact_sigmoid, 2.0),
    "softplus": Case(activation("softplus"), exact_softplus, 2.0),
    "softmax": Case(softmax_of_pair, exact_sigmoid, 2.5, lambda x: x <= 0),
    "erf": Case(elementary("erf"), exact_erf, 2.0),
    "gelu": Case(activation("gelu"), exact_gelu, 2.0, lambda x: x >= -1),
    "gelu below -1": Case(activation("gelu"), exact_gelu, 10.0, lambda x: x < -1, 600.0),
    "gelu_tanh": Case(activation("gelu_tanh"), exact_gelu_tanh, 2.0, lambda x: x >= -1),
    "gelu_tanh below -1": Case(
        activation("gelu_tanh"), exact_gelu_tanh, 400.0,
        lambda x: (x < -1) & (x > (-9.5 if x.dtype == np.float32 else -20.5)), 1000.0,
    ),
    "silu": Case(
        activation("silu"), lambda x: np.maximum(x, -20000) * exact_sigmoid(x), 2.5,
        lambda x: x > (-87 if x.dtype == np.float32 else -708),
    ),
    "mish": Case(
        activation("mish"), exact_mish, 5.0,
        lambda x: x > (-87 if x.dtype == np.float32 else -708),
    ),
    "softsign": Case(activation("softsign"), lambda x: x / (1 + np.abs(x)), 1.5, np.isfinite),
}  # fmt: skip


def bound(name: str) -> float:
    case = CASES[name]
    return case.bound if dr.config()["same_bits"] else case.without_fma or 1.5 * case.bound


# --------------------------------------------------------------------------------- the yardstick
def ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """|got - exact| in units in the last place of a number of the dtype of `got` at `exact`, which
    has more bits. Subnormal numbers have the unit of the smallest normal one."""
    info = np.finfo(got.dtype)
    _, exponent = np.frexp(np.abs(exact))
    unit = np.ldexp(np.ones_like(exact), np.maximum(exponent - 1, info.minexp) - info.nmant)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(got.astype(exact.dtype) - exact) / unit
        return np.where((got == exact) | (got == exact.astype(got.dtype)), 0, error)


def worst(function: Function, exact: Function, x: np.ndarray) -> float:
    """The largest error over x, and that NaN is what NaN gives."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
        got, expected = function(x), exact(wide)
    nan = np.isnan(x)
    np.testing.assert_array_equal(np.isnan(got), nan)
    error = ulps(got[~nan], expected[~nan])
    return float(error.max()) if error.size else 0.0


def all_float32(stride: int, offset: int = 0) -> Iterator[np.ndarray]:
    """Every stride-th of the 2^32 float32 numbers, in pieces."""
    piece = 1 << 20
    for start in range(offset, 1 << 32, piece * stride):
        stop = min(start + piece * stride, 1 << 32)
        yield np.arange(start, stop, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)


def float64_sample(n: int = 150_000) -> np.ndarray:
    """Bit patterns at random, and magnitudes where the functions are neither 0 nor 1."""
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 1 << 64, n, dtype=np.uint64).view(np.float64)
    sizes = np.exp(rng.uniform(np.log(1e-20), np.log(800), 2 * n)) * rng.choice([-1, 1], 2 * n)
    return np.concatenate([bits, sizes, -rng.uniform(700, 746, n)])  # the last: subnormal results


def measure(name: str, x: np.ndarray) -> float:
    case = CASES[name]
    with np.errstate(invalid="ignore"):
        chosen = case.domain(x)
    return worst(case.function, case.exact, x[chosen])


each = pytest.mark.parametrize("name", CASES)


# ------------------------------------------------------------------------------------- the tests
@each
def test_float32(isa, name):
    """A million or so of all bit patterns; the stride is prime."""
    found = max(measure(name, x) for x in all_float32(4093))
    print(f"\n{name} f32 {isa}: {found:.3f} ulp")
    assert found <= bound(name)


@each
def test_float32_where_it_bends(isa, name):
    """Densely between 2^-10 and 128, where all the rounding happens: the rest is 0, 1 or x."""
    low, high = (int(np.float32(v).view(np.uint32)) for v in (2.0**-10, 128))
    bits = np.arange(low, high, 397, dtype=np.uint32)
    x = np.concatenate([bits, bits | np.uint32(1 << 31)]).view(np.float32)
    found = measure(name, x)
    print(f"\n{name} f32 {isa}, 2^-10 .. 128: {found:.3f} ulp")
    assert found <= bound(name)


@each
def test_where_formulas_meet(dtype, isa, name):
    """The numbers next to those at which one formula gives way to another, or an argument is cut
    off; and next to powers of 2."""
    if dtype == "float64" and not PRECISE:
        pytest.skip("long double has no more bits than double")
    edges = [0.55, np.sqrt(2), np.sqrt(2) - 1, np.sqrt(0.5), 1, 10, 10.75, 14.5, 20, 21.6, 39, 40]
    edges += [np.log(2) * (n + 0.5) for n in range(-3, 4)] + [88, 89, 104, 709, 710, 746]
    middle = np.concatenate([np.array(edges), 2.0 ** np.arange(-30, 10)]).astype(dtype)
    bits = middle.view(f"i{middle.itemsize}")[:, None] + np.arange(-4, 5)
    x = bits.astype(f"i{middle.itemsize}").view(dtype).ravel()
    assert measure(name, np.concatenate([x, -x])) <= bound(name)


@pytest.mark.long
@each
def test_every_float32(name):
    found = max(measure(name, x) for x in all_float32(1))
    print(f"\n{name} f32, all of them: {found:.4f} ulp")
    assert found <= bound(name)


@precise
@each
def test_float64(isa, name):
    found = measure(name, float64_sample())
    print(f"\n{name} f64 {isa}: {found:.3f} ulp")
    assert found <= bound(name)


def test_subnormal_results(dtype, isa):
    """exp down to the last subnormal number and beyond: rounded once."""
    if dtype == "float64" and not PRECISE:
        pytest.skip("long double has no more bits than double")
    low, high = (-105.0, -86.0) if dtype == "float32" else (-747.0, -707.0)
    x = np.random.default_rng(2).uniform(low, high, 300_000).astype(dtype)
    results = CASES["exp"].function(x)
    subnormal = (results > 0) & (results < np.finfo(dtype).tiny)
    assert subnormal.sum() > 1000 and (results == 0).any(), "the test would see no subnormals"
    assert measure("exp", x) <= bound("exp")


def test_elementary_lengths(dtype, isa):
    """Whole vectors and what is left over give the same."""
    x = np.linspace(0.01, 1, 70).astype(dtype)
    for name in ("log", "log1p", "erf"):
        whole = elementary(name)(x)
        for n in range(70):
            assert elementary(name)(x[:n]).tobytes() == whole[:n].tobytes()


def test_log_in_a_loss(isa, dtype):
    """The cross-entropy of n equal logits is log n: by columns to 16 classes, by rows beyond."""
    for n in [*range(1, 40), 1000, 99_991]:
        row, label, out = np.zeros((1, n), dtype), np.zeros(1, np.int64), None
        got = _fast.loss_backward(dtype, losses.CrossEntropy(), 1, n, row, label, out, None, None)
        whole = elementary("log")(np.array([n], dtype))
        assert got == whole[0], n


@each
def test_instruction_sets_agree(name):
    """Those that promise the same bits have them, over the whole range of float32."""
    function, domain = CASES[name].function, CASES[name].domain
    before, seen = dr.get_isa(), {}
    try:
        for isa in ISAS:
            dr.set_isa(isa)
            if dr.config()["same_bits"]:
                with np.errstate(invalid="ignore"):
                    x = [piece[domain(piece)] for piece in all_float32(9973, 17)]
                seen[isa] = np.concatenate([function(a) for a in x]).view(np.uint32)
    finally:
        dr.set_isa(before)
    for bits in seen.values():
        np.testing.assert_array_equal(bits, next(iter(seen.values())))
