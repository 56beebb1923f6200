"""How far a fast result may lie from the reference computed in float64, and why.

u = eps / 2 is the rounding error of one operation. A sum of k products by fused multiply-add in any
order differs from the exact one by at most k u sum |a| |b| to first order (Higham, "Accuracy and
stability of numerical algorithms", 2002, section 3.1). With eps in place of u the bound also covers
the reference's own sum where it has the same dtype, and the second-order terms.
"""

import numpy as np

import deltarule as dr


def eps(dtype: str) -> float:
    return float(np.finfo(dtype).eps)


def tiny(dtype: str) -> float:
    """Where errors and state become +0: below it, exact and rounded value may part."""
    return 2.0**-100 if dtype == "float32" else 2.0**-1000


def least(dtype: str) -> float:
    """The spacing of subnormal numbers: the rounding error of a result down there."""
    return float(np.finfo(dtype).smallest_subnormal)


def products(dtype: str, k: int, magnitude: np.ndarray) -> np.ndarray:
    """Of a sum of k products and a start; magnitude is the same sum with |a| and |b|."""
    return (k + 2) * eps(dtype) * magnitude + (k + 2) * least(dtype)


def is_rowwise(activation: str) -> bool:
    """Whether an output depends on the other elements of its row."""
    first = dr.reference.activation_forward(activation, np.array([[1.0, 2.0], [1.0, 3.0]]))[:, 0]
    return bool(first[0] != first[1])


def slopes(activation: str, x: np.ndarray, y: np.ndarray, **alpha: float) -> np.ndarray:
    """|f'(x)| of an elementwise activation."""
    return np.abs(dr.reference.activation_backward(activation, x, y, np.ones_like(x), **alpha))


def activation_value(
    activation: str, dtype: str, x: np.ndarray, y: np.ndarray, **alpha: float
) -> np.ndarray:
    """Of y = f(x) for exact x. Elementwise functions are off by a few ulp, or by what a few ulp of
    x make of them; test_math.py has what is promised of some. A softmax is exp(x - max) over a sum
    of n_out: the rounding of the difference is one of the exponent, so relative u |x - max|; the
    sum adds n_out u, exp and the division 2 ulp. A log_softmax, which is negative, has these
    relative errors as absolute ones."""
    if not is_rowwise(activation) or not x.size:
        size = np.abs(y) + np.abs(x) * slopes(activation, x, y, **alpha)
        # x may be a factor of what is subnormal
        return 4 * eps(dtype) * size + least(dtype) * np.maximum(1, np.abs(x))
    relative = 4.0 + x.shape[-1] + np.abs(x - x.max(axis=-1, keepdims=True))
    # the largest term of the sum may carry the error of its own exponent
    relative = np.broadcast_to(relative.max(axis=-1, keepdims=True), x.shape)
    return relative * eps(dtype) * np.where(y < 0, 1 - y, y) + least(dtype)


def after_activation(
    activation: str, dtype: str, z: np.ndarray, y: np.ndarray, error: np.ndarray, **alpha: float
) -> np.ndarray:
    """Of y = f(z) where z already has an error: a softmax hands on the largest error of the row,
    the others up to twice what their slope makes of it, or 2 (all slopes but exp's are below)."""
    own = activation_value(activation, dtype, z, y, **alpha)
    if not is_rowwise(activation):
        return own + 2 * np.maximum(1, slopes(activation, z, y, **alpha)) * error
    if error.size:
        error = np.broadcast_to(error.max(axis=-1, keepdims=True), error.shape)
    return own + 2 * error


def activation_slope(
    activation: str, dtype: str, x: np.ndarray, y: np.ndarray, dy: np.ndarray, **alpha: float
) -> np.ndarray:
    """Of dy f'(x), a handful of operations on numbers of the size of dy (1 - y^2 and 1 - y lose
    relative, not absolute precision) or of the result. A softmax has the sum of dy y besides, a
    log_softmax that of dy, n_out terms."""
    k = 4
    if is_rowwise(activation) and y.size:
        k += y.shape[-1]
        if (y < 0).any():
            magnitude = np.abs(dy) + np.exp(y) * np.sum(np.abs(dy), axis=-1, keepdims=True)
        else:
            sums = np.sum(np.abs(dy * y), axis=-1, keepdims=True)
            magnitude = np.abs(y) * (np.abs(dy) + sums)
    else:
        magnitude = np.abs(dy) * np.maximum(1, slopes(activation, x, y, **alpha))
    return k * eps(dtype) * magnitude + tiny(dtype)


def assert_close(got: np.ndarray, expected: np.ndarray, bound: np.ndarray, message: object) -> None:
    """|got - expected| <= bound everywhere, in float64; the message should say size and seed."""
    assert got.shape == expected.shape, message
    if not got.size:
        return
    difference = np.abs(got.astype(np.float64) - expected)
    excess = np.where(difference <= bound, 0, difference / np.maximum(bound, 1e-320))
    excess = np.where(np.isnan(difference), np.inf, excess)
    worst = np.unravel_index(int(np.argmax(excess)), got.shape)
    assert excess[worst] == 0, (
        f"{message}: element {tuple(map(int, worst))} is {got[worst]!r}, expected "
        f"{expected[worst]!r}, {excess[worst]:.3g} times the bound"
    )
