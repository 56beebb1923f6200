"""How far exp, log, log1p, sigmoid and tanh of the C core are off, in units in the last place.

They are reached through the operations that use them: a softmax of rows (x, 0) is e^x / (1 + e^x),
which below x = -18 (float32) or -38 (float64) is e^x itself; the cross-entropy of m equal logits
is log m; the binary cross-entropy of a logit x with target 0 is log1p(e^x) for x < 0.

float32 is measured against numpy's float64, float64 against its long double where that has more.
`pytest -m long -s tests/test_math.py` measures all float32 numbers and prints the maxima.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast

ISAS = [name for name, supported in dr.config()["isas"].items() if supported]
PRECISE = np.finfo(np.longdouble).nmant >= 63
precise = pytest.mark.skipif(not PRECISE, reason="long double has no more bits than double")
# What is promised, in ulp; the largest error of all float32 numbers is just below each.
BOUNDS = {"sigmoid": 2.0, "tanh": 2.0, "softmax": 2.5, "exp": 1.0, "log": 1.0, "log1p of exp": 2.0}
Function = Callable[[np.ndarray], np.ndarray]


def bound(name: str) -> float:
    """In ulp; half an ulp more where there is no FMA to see the remainder of a division."""
    return BOUNDS[name] + (0.0 if dr.config()["same_bits"] else 0.5)



@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = dr.get_isa()
    dr.set_isa(request.param)
    yield request.param
    dr.set_isa(before)


# --------------------------------------------------------------------------------- the functions
def sigmoid(x: np.ndarray) -> np.ndarray:
    return dr.ops.activation_forward("sigmoid", x)


def tanh(x: np.ndarray) -> np.ndarray:
    return dr.ops.activation_forward("tanh", x)


def softmax_of_pair(x: np.ndarray) -> np.ndarray:
    """exp(x) / (1 + exp(x)), x <= 0, by another way than sigmoid."""
    return dr.ops.activation_forward("softmax", np.stack([x, np.zeros_like(x)], axis=1))[:, 0]


def exact_sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def losses(loss: str, rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The loss of each row by itself, as C computes it in the dtype of the rows."""
    labels, dense = (target, None) if target.ndim == 1 else (None, target)
    dtype, n_out = rows.dtype.name, rows.shape[1]
    out = [
        _fast.loss_backward(
            dtype, loss, 1, n_out, rows[i : i + 1],
            None if labels is None else labels[i : i + 1],
            None if dense is None else dense[i : i + 1], None, None,
        )
        for i in range(len(rows))
    ]
    return np.array(out, rows.dtype)


# --------------------------------------------------------------------------------- the yardstick
def ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """|got - exact| in units in the last place of a number of the dtype of `got` at `exact`, which
    has more bits. Subnormal numbers have the unit of the smallest normal one."""
    info = np.finfo(got.dtype)
    _, exponent = np.frexp(np.abs(exact))
    unit = np.ldexp(np.ones_like(exact), np.maximum(exponent - 1, info.minexp) - info.nmant)
    with np.errstate(invalid="ignore"):
        error = np.abs(got.astype(exact.dtype) - exact) / unit
    return np.where(got == exact, 0, error)


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


def pairs(x: np.ndarray) -> np.ndarray:
    """What softmax_of_pair is for: numbers <= 0."""
    return x[x <= 0]


SMOOTH = {
    "sigmoid": (sigmoid, exact_sigmoid, lambda x: x),
    "tanh": (tanh, np.tanh, lambda x: x),
    "softmax": (softmax_of_pair, exact_sigmoid, pairs),
}
each = pytest.mark.parametrize("name", SMOOTH)


# ------------------------------------------------------------------------------------- the tests
@each
def test_float32(isa, name):
    """A million or so of all bit patterns; the stride is prime."""
    function, exact, domain = SMOOTH[name]
    found = max(worst(function, exact, domain(x)) for x in all_float32(4093))
    print(f"\n{name} f32 {isa}: {found:.3f} ulp")
    assert found <= bound(name)


@each
def test_float32_where_it_bends(isa, name):
    """Densely between 2^-10 and 128, where all the rounding happens: the rest is 0, 1 or x."""
    function, exact, domain = SMOOTH[name]
    low, high = (int(np.float32(v).view(np.uint32)) for v in (2.0**-10, 128))
    bits = np.arange(low, high, 397, dtype=np.uint32)
    x = np.concatenate([bits, bits | np.uint32(1 << 31)]).view(np.float32)
    found = worst(function, exact, domain(x))
    print(f"\n{name} f32 {isa}, 2^-10 .. 128: {found:.3f} ulp")
    assert found <= bound(name)


@pytest.mark.long
@each
def test_every_float32(name):
    function, exact, domain = SMOOTH[name]
    found = max(worst(function, exact, domain(x)) for x in all_float32(1))
    print(f"\n{name} f32, all of them: {found:.4f} ulp")
    assert found <= bound(name)


@precise
@each
def test_float64(isa, name):
    function, exact, domain = SMOOTH[name]
    found = worst(function, exact, domain(float64_sample()))
    print(f"\n{name} f64 {isa}: {found:.3f} ulp")
    assert found <= bound(name)


def test_exp_alone(isa, dtype):
    """Where 1 + exp(x) is 1 the softmax is exp(x): down to the last subnormal and beyond."""
    low, high = (-105.0, -18.0) if dtype == "float32" else (-747.0, -38.0)
    x = np.random.default_rng(2).uniform(low, high, 300_000).astype(dtype)
    if dtype == "float64" and not PRECISE:
        pytest.skip("long double has no more bits than double")
    found = worst(softmax_of_pair, np.exp, x)
    results = softmax_of_pair(x)
    subnormal = (results > 0) & (results < np.finfo(dtype).tiny)
    assert subnormal.sum() > 1000 and (results == 0).any(), "the test would see no subnormals"
    print(f"\nexp alone {dtype} {isa}: {found:.3f} ulp")
    assert found <= bound("exp")


def _nothing_to_add(n: int, dtype: str) -> np.ndarray:
    """A row of n zeros: the sum of their exponentials is n, exactly."""
    return np.zeros((1, n), dtype)


def test_log_of_whole_numbers(isa, dtype):
    zero = np.zeros(1, np.int64)
    n = np.concatenate([np.arange(1, 1500), [1 << 14, (1 << 14) + 1, 99_991]])
    rows = (losses("cross_entropy", _nothing_to_add(int(k), dtype), zero) for k in n)
    got = np.concatenate(list(rows))
    exact = np.log(n.astype(np.float64 if dtype == "float32" else np.longdouble))
    found = float(ulps(got, exact).max())
    print(f"\nlog of whole numbers {dtype} {isa}: {found:.3f} ulp")
    assert found <= bound("log")


def test_log_between_one_and_two(isa, dtype):
    """The loss of the larger of two logits, x below, is log(1 + exp(x)), the sum rounded. That may
    go to either side, so the best of three neighbours counts."""
    x = -np.random.default_rng(3).uniform(0, 12, 30_000).astype(dtype)
    got = losses("cross_entropy", np.stack([x, np.zeros_like(x)], axis=1), np.ones(len(x), int))
    wide = np.float64 if dtype == "float32" else np.longdouble
    total = (1 + np.exp(x.astype(wide))).astype(dtype)
    step = np.spacing(total)
    candidates = [ulps(got, np.log((total + k * step).astype(wide))) for k in (-1, 0, 1)]
    found = float(np.min(candidates, axis=0).max())
    print(f"\nlog between 1 and 2 {dtype} {isa}: {found:.3f} ulp")
    assert found <= bound("log")


def test_log1p_of_exp(isa, dtype):
    """exp and log1p, one after the other: the error of the first counts at most fully."""
    low = -100.0 if dtype == "float32" else -740.0
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.uniform(-20, 0, 20_000), rng.uniform(low, 0, 10_000)]).astype(dtype)
    got = losses("binary_cross_entropy", x[:, None], np.zeros((len(x), 1), dtype))
    exact = np.log1p(np.exp(x.astype(np.float64 if dtype == "float32" else np.longdouble)))
    found = float(ulps(got, exact).max())
    print(f"\nlog1p of exp {dtype} {isa}: {found:.3f} ulp")
    assert found <= bound("log1p of exp")


@each
def test_instruction_sets_agree(name):
    """Those that promise the same bits have them, over the whole range of float32."""
    function, _, domain = SMOOTH[name]
    before, seen = dr.get_isa(), {}
    try:
        for isa in ISAS:
            dr.set_isa(isa)
            if dr.config()["same_bits"]:
                x = [domain(piece) for piece in all_float32(9973, 17)]
                seen[isa] = np.concatenate([function(a) for a in x]).view(np.uint32)
    finally:
        dr.set_isa(before)
    for bits in seen.values():
        np.testing.assert_array_equal(bits, next(iter(seen.values())))
